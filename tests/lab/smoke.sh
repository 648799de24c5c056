#!/usr/bin/env bash
# What Strawboss takes for granted of a Docker engine, proved by trying on the engine that answers.
# One line a fact: PASS, FAIL, or INFO for what may differ between machines. Exit 1 if any failed.
#
#   smoke.sh      (it starts the lab's engine and makes images and agents if they are lacking)
#
# Everything that it makes carries a label of its own and is removed at the end.
set -euo pipefail
# shellcheck source-path=SCRIPTDIR source=../../scripts/lab/lib.sh
. "$(dirname "${BASH_SOURCE[0]}")/../../scripts/lab/lib.sh"

BASE=debian:bookworm-slim
SANDBOX=strawboss/sandbox:latest
MARK="strawboss-smoke-$$"
# The oldest API that Strawboss speaks: Engine 20.10.
API=v1.41
HARDENED=(--rm --network none --read-only --cap-drop ALL --security-opt no-new-privileges --user 10001:10001
  --pids-limit 256 --label "$MARK")

WORK="$(mktemp -d)"
chmod 0755 "$WORK"
LISTENER=''
cleanup() {
  local volumes containers
  [ -z "$LISTENER" ] || kill "$LISTENER" 2>/dev/null || true
  containers="$(docker ps -aq --filter "label=$MARK")" || true
  # shellcheck disable=SC2086  # one word an id
  [ -z "$containers" ] || docker rm -f $containers >/dev/null || true
  volumes="$(docker volume ls -q --filter "label=$MARK")" || true
  # shellcheck disable=SC2086
  [ -z "$volumes" ] || docker volume rm $volumes >/dev/null || true
  rm -rf "$WORK"
}
trap cleanup EXIT

FAILED=0
pass() { printf 'PASS  %s\n' "$*"; }
info() { printf 'INFO  %s\n' "$*"; }
fail() {
  printf 'FAIL  %s\n' "$1"
  [ -z "${2:-}" ] || printf '      got: %s\n' "${2//$'\n'/$'\n           '}"
  FAILED=$((FAILED + 1))
}
# is FACT EXPECTED GOT; has FACT PART GOT; lacks FACT PART GOT
is() { if [ "$2" = "$3" ]; then pass "$1"; else fail "$1 (expected: $2)" "$3"; fi; }
has() { if [[ "$3" == *"$2"* ]]; then pass "$1"; else fail "$1 (expected in it: $2)" "$3"; fi; }
lacks() { if [[ "$3" != *"$2"* ]]; then pass "$1"; else fail "$1 (not expected in it: $2)" "$3"; fi; }

# api METHOD PATH [curl's arguments]: the body, then the status code on a line of its own.
api() {
  local method="$1" path="$2"
  shift 2
  curl -sS --max-time 120 --unix-socket "$SOCKET" -w '\n%{http_code}\n' -X "$method" "$@" "http://engine/$API$path"
}

# create IMAGE COMMAND… with the flags in CREATE: a container made and not started; prints its id.
CREATE=()
create() { docker create --network none --label "$MARK" "${CREATE[@]}" "$@"; }
volume() { docker volume create --label "$MARK" "$@" >/dev/null; }
# upload CONTAINER PATH TAR: prints the status code.
upload() { api PUT "/containers/$1/archive?path=$2" -H 'Content-Type: application/x-tar' -T "$3" | tail -n 1; }

# tree FILE ENTRY…: a tar with the entries NAME:MODE:UID in this order; a NAME ending in / is a directory.
tree() {
  python3 - "$@" <<'PYTHON'
import io, sys, tarfile
with tarfile.open(sys.argv[1], "w") as archive:
    for entry in sys.argv[2:]:
        name, mode, uid = entry.split(":")
        info = tarfile.TarInfo()
        info.name, info.mode, info.uid, info.gid = name, int(mode, 8), int(uid), int(uid)
        info.type = tarfile.DIRTYPE if name.endswith("/") else tarfile.REGTYPE
        archive.addfile(info, io.BytesIO(b""))
PYTHON
}

isolation() {
  local out
  mkdir "$WORK/door"
  chmod 0755 "$WORK/door"
  mkfifo "$WORK/ready"
  python3 - "$WORK/door/socket" "$WORK/ready" <<'PYTHON' &
import os, socket, sys
server = socket.socket(socket.AF_UNIX)
server.bind(sys.argv[1])
os.chmod(sys.argv[1], 0o666)
server.listen()
server.settimeout(120)
open(sys.argv[2], "w").close()
connection, _ = server.accept()
connection.settimeout(60)
connection.sendall(b"heard " + connection.recv(64))
PYTHON
  LISTENER=$!
  cat "$WORK/ready" >/dev/null
  out="$(docker run "${HARDENED[@]}" -v "$WORK/door:/door" "$SANDBOX" python3 -c '
import os, socket
print("interfaces", os.listdir("/sys/class/net"))
status = open("/proc/self/status").read()
print("capabilities", {line.split()[1] for line in status.splitlines() if line.startswith("Cap")})
print("no new privileges", "NoNewPrivs:\t1" in status, "seccomp", "Seccomp:\t2" in status)
for path in ("/x", "/door/x", "/home/agent/x"):
    try:
        open(path, "w")
        print("wrote", path)
    except OSError as error:
        pass
door = socket.socket(socket.AF_UNIX)
door.connect("/door/socket")
door.sendall(b"knock")
print("door", door.recv(64).decode())
try:
    socket.create_connection(("192.0.2.1", 80), 5)
    print("network reached")
except OSError as error:
    print("network", error.strerror)
' 2>&1)" || true
  has 'a: a sandbox without network has no interface but lo' "interfaces ['lo']" "$out"
  has 'a: no capability is left' "capabilities {'0000000000000000'}" "$out"
  has 'a: no new privileges, seccomp on' 'no new privileges True seccomp True' "$out"
  lacks 'a: root, door folder and the image'"'"'s home cannot be written' 'wrote' "$out"
  has 'a: the socket in the bound folder carries bytes both ways' 'door heard knock' "$out"
  has 'a: nothing else can be reached' 'network Network is unreachable' "$out"
}

ownership() {
  local id out name look='stat -c "%u:%g %a" /home/agent; touch /home/agent/x && echo written; ls -A /home/agent'
  CREATE=(--read-only --cap-drop ALL --security-opt no-new-privileges --user 10001:10001)

  volume "$MARK-fresh"
  id="$(create -v "$MARK-fresh:/home/agent" "$BASE" sh -c "$look")"
  out="$(docker start -a "$id" 2>&1)" || true
  has 'b: a fresh volume on a folder that the image lacks belongs to root' '0:0 755' "$out"
  lacks 'b: and a sandbox cannot write there' 'written' "$out"

  tree "$WORK/dot.tar" ./:0700:10001
  volume "$MARK-dot"
  id="$(create -v "$MARK-dot:/home/agent" "$BASE" sh -c "$look")"
  is 'b: an upload of ./ before start is accepted' 200 "$(upload "$id" /home/agent "$WORK/dot.tar")"
  out="$(docker start -a "$id" 2>&1)" || true
  has "b: and passed over: the volume's root stays root's" '0:0 755' "$out"

  tree "$WORK/root.tar" /:0700:10001 .cargo/:0755:10001 .claude.json:0600:10001
  for name in first again; do
    [ "$name" = again ] || volume "$MARK-root"
    id="$(create -v "$MARK-root:/home/agent" "$BASE" sh -c "$look; stat -c '%n %u:%g %a' /home/agent/.c*")"
    is "b: an upload of / before start is accepted ($name)" 200 "$(upload "$id" /home/agent "$WORK/root.tar")"
    out="$(docker start -a "$id" 2>&1)" || true
    has "b: and gives the volume's root to the sandbox's user ($name)" '10001:10001 700' "$out"
    has "b: who writes there, with a read-only root ($name)" 'written' "$out"
    has "b: with what came along in the same upload ($name)" '/home/agent/.claude.json 10001:10001 600' "$out"
  done

  volume "$MARK-cache"
  CREATE+=(-v "$MARK-root:/home/agent" -v "$MARK-cache:/home/agent/.cargo")
  id="$(create "$BASE" sh -c 'touch /home/agent/.cargo/x && echo written')"
  upload "$id" /home/agent/.cargo "$WORK/root.tar" >/dev/null
  is 'b: the same for a volume mounted inside another' written "$(docker start -a "$id" 2>&1 || true)"

  CREATE=(--read-only --user 10001:10001)
  volume "$MARK-copied"
  id="$(create -v "$MARK-copied:/home/agent" "$SANDBOX" sh -c "$look")"
  out="$(docker start -a "$id" 2>&1)" || true
  has "b: on a folder that the image has, a fresh volume takes that folder's owner" '10001:10001 700' "$out"

  id="$(create "$BASE" true)"
  out="$(api PUT "/containers/$id/archive?path=/home" -H 'Content-Type: application/x-tar' -T "$WORK/dot.tar")"
  has 'b: an upload into a read-only root is refused' 'read-only' "$out"
}

tools() {
  local folder id out version
  folder="$("$REPO/scripts/lab/agents.sh" claude)"
  version="$(jq -r .version "$folder/manifest.json")"
  tar -C "$folder" --owner=0 --group=0 --numeric-owner -cf "$WORK/claude.tar" .
  volume "$MARK-claude"
  CREATE=(--read-only -v "$MARK-claude:/tool")
  id="$(create "$BASE" true)"
  is 'c: a tools volume is filled by one upload, before start' 200 "$(upload "$id" /tool "$WORK/claude.tar")"
  rm -f "$WORK/claude.tar"
  out="$(docker run "${HARDENED[@]}" -v "$MARK-claude:/opt/claude:ro" "$BASE" sh -c '/opt/claude/bin/claude --version; touch /opt/claude/x && echo written' 2>&1)" || true
  has 'c: Claude Code runs from it, read-only, without network, in the bare base' "$version (Claude Code)" "$out"
  lacks 'c: and it cannot be written' 'written' "$out"
  out="$(docker run "${HARDENED[@]}" --tmpfs /tmp -e HOME=/tmp -e DISABLE_AUTOUPDATER=1 -e CLAUDE_CODE_DISABLE_NONESSENTIAL_TRAFFIC=1 \
    -v "$MARK-claude:/opt/claude:ro" "$SANDBOX" timeout 60 /opt/claude/bin/claude -p hello --output-format json </dev/null 2>&1)" || true
  has 'c: logged out, it says so in JSON and ends by itself' '"is_error":true' "$out"

  CREATE=(--read-only -v "$MARK-claude:/tool:ro")
  id="$(create "$BASE" true)"
  out="$(api PUT "/containers/$id/archive?path=/tool" -H 'Content-Type: application/x-tar' -T "$WORK/dot.tar")"
  has 'd: an upload into a volume mounted read-only is refused' 'read-only' "$out"

  tree "$WORK/modes.tar" run:0755:0 own:0640:10001 shut:0400:0 set:4755:0 sticky/:1777:0 group/:2750:0
  volume "$MARK-modes"
  CREATE=(--read-only -v "$MARK-modes:/tool")
  id="$(create "$BASE" sh -c 'cd /tool && stat -c "%n %u:%g %a" *')"
  upload "$id" /tool "$WORK/modes.tar" >/dev/null
  is 'd: an upload keeps owners and modes' \
    $'group 0:0 2750\nown 10001:10001 640\nrun 0:0 755\nset 0:0 4755\nshut 0:0 400\nsticky 0:0 1777' "$(docker start -a "$id" 2>&1 || true)"
}

limits() {
  local id out version
  version="$(docker info --format '{{.CgroupVersion}}')"
  info "e: cgroup v$version, driver $(docker info --format '{{.CgroupDriver}}'), storage $(docker info --format '{{.Driver}}')"

  CREATE=(--user 10001:10001 --memory 64m --memory-swap 64m)
  id="$(create "$SANDBOX" python3 -c 'len(b"x" * (300 << 20)); print("not limited")')"
  out="$(docker start -a "$id" 2>&1)" || true
  lacks 'e: the memory limit holds' 'not limited' "$out"
  is 'e: the engine says that memory was the reason' 'true 137' "$(docker inspect -f '{{.State.OOMKilled}} {{.State.ExitCode}}' "$id")"

  out="$(docker run "${HARDENED[@]}" --pids-limit 20 "$SANDBOX" python3 -c '
import os, signal
children = []
try:
    for _ in range(60):
        child = os.fork()
        if child == 0:
            signal.pause()
        children.append(child)
    print("not limited")
except OSError as error:
    print("limited", 10 < len(children) < 20, error.strerror)
for child in children:
    os.kill(child, signal.SIGKILL)
' 2>&1)" || true
  is 'e: the pids limit holds' 'limited True Resource temporarily unavailable' "$out"

  out="$(docker run "${HARDENED[@]}" --cpus 0.2 "$SANDBOX" python3 -c '
import os, time
files = [f for f in ("/sys/fs/cgroup/cpu/cpu.stat", "/sys/fs/cgroup/cpu.stat", "/sys/fs/cgroup/cpu,cpuacct/cpu.stat") if os.path.exists(f)]
deadline = time.monotonic() + 60
while time.monotonic() < deadline:
    for f in files:
        if any(l.split()[0] == "nr_throttled" and int(l.split()[1]) > 3 for l in open(f)):
            raise SystemExit("throttled")
print("not limited")
' 2>&1)" || true
  is 'e: the cpu limit holds' throttled "$out"
}

disk() {
  local out
  if out="$(docker create --label "$MARK" --network none --storage-opt size=1G "$BASE" true 2>&1)"; then
    info 'f: --storage-opt size= is accepted here'
  else
    info "f: --storage-opt size= is refused here: ${out##*: }"
  fi
  if out="$(docker volume create --label "$MARK" -o size=50m "$MARK-sized" 2>&1)"; then
    info 'f: volumes of a limited size are accepted here'
  else
    info "f: volumes of a limited size are refused here: ${out##*: }"
  fi

  out="$(docker run "${HARDENED[@]}" --tmpfs /tmp:rw,exec,nosuid,nodev,size=8m,mode=1777 "$BASE" sh -c \
    'cp /bin/true /tmp/program && /tmp/program && echo runs; head -c 16M /dev/zero >/tmp/file; rm /tmp/program; stat -c %s /tmp/file' 2>&1)" || true
  has 'g: a tmpfs is full at its size' 'No space left on device' "$out"
  has 'g: with exec named, programs run from it' 'runs' "$out"
  out="$(docker run "${HARDENED[@]}" --tmpfs /tmp "$BASE" sh -c 'cp /bin/true /tmp/program && /tmp/program' 2>&1)" || true
  has 'g: without, they do not' 'Permission denied' "$out"
}

mkdir -p "$LAB"
"$REPO/scripts/lab/engine.sh" start
exports="$("$REPO/scripts/lab/engine.sh" env)"
eval "$exports"
case "${DOCKER_HOST:-unix:///var/run/docker.sock}" in
  unix://*) SOCKET="${DOCKER_HOST:-unix:///var/run/docker.sock}" && SOCKET="${SOCKET#unix://}" ;;
  *) die "the smoke test needs an engine on this machine; DOCKER_HOST is $DOCKER_HOST" "unset DOCKER_HOST" ;;
esac
"$REPO/scripts/lab/base-image.sh" "$BASE"
"$REPO/scripts/lab/sandbox-image.sh" >/dev/null
info "engine $(docker version --format '{{.Server.Version}}, API {{.Server.APIVersion}}')"

isolation
ownership
tools
limits
disk

[ "$FAILED" = 0 ] || die "$FAILED facts do not hold on this engine" "the lines above that say FAIL name them"
say 'all hold'
