#!/usr/bin/env bash
# The main job on real input: three small repositories, a backlog, real Claude Code processes against a mock model. `ONCE=1`
# ends with 0 when everything that can run is Completed; else the dashboard stays up until Ctrl-C.
#
#   run.sh [--source csv|plan]
#     csv   a CSV file of seven rows, one of which lacks a GPU here, one waits and one is malformed
#     plan  three plans whose phases build on one another
#
#   DEMO_DIR     where it all lies (default: demo/.work, made anew each time)
#   DEMO_LISTEN  where the dashboard listens (default: 127.0.0.1:7070)
#   DEMO_PROGRAMS a folder with the programs, instead of building them
#   DEMO_RUNNER  docker or process (default: docker when an engine answers)
set -euo pipefail
cd "$(dirname "$0")/.."
root=$PWD

source=csv
while [ $# -gt 0 ]; do
  case "$1" in
    --source=*) source=${1#*=}; shift ;;
    --source) source=${2:-}; shift; shift || true ;;
    *) echo "demo: unknown argument $1; there is --source csv|plan" >&2; exit 2 ;;
  esac
done
# The backlog's file, how a finished piece of work reads in it, how many there are, and how many can be finished.
case "$source" in
  csv) backlog=priorities.csv; finished=',Completed,'; tasks=6; finishable=4 ;;
  plan) backlog=plans.json; finished='"done": true'; tasks=4; finishable=4 ;;
  *) echo "demo: --source is csv or plan, not \`$source\`" >&2; exit 2 ;;
esac

say() { printf '\n%s\n' "$*" >&2; }
die() { printf '\ndemo: %s\n' "$*" >&2; exit 1; }

for tool in cargo node npm; do
  command -v "$tool" >/dev/null || die "$tool is needed and is not here: install Rust (rustup.rs) and Node.js 20 or later."
done
scripts/lab/packages.sh git ca-certificates gcc libc6-dev xz-utils python3

if [ -n "${DEMO_PROGRAMS:-}" ]; then
  programs=$(cd "$DEMO_PROGRAMS" && pwd)
else
  say "Building Strawboss (the first time takes some minutes)…"
  programs=$(scripts/build.sh)
fi
say "Fetching the Claude Code CLI (pinned; from the cache the next time)…"
claude=$(scripts/lab/agents.sh)

runner=${DEMO_RUNNER:-}
if [ -z "$runner" ]; then
  if docker info >/dev/null 2>&1; then runner=docker; else runner=process; fi
fi
work=${DEMO_DIR:-$root/demo/.work}
mkdir -p "$work"
work=$(cd "$work" && pwd)
case "$runner" in
  docker)
    say "A Docker engine answers: each agent gets a container of its own, with no network but its door."
    scripts/lab/sandbox-image.sh >/dev/null
    scripts/lab/base-image.sh rust:1-bookworm node:20-bookworm
    rust_extra='image: rust:1-bookworm'
    node_extra='image: node:20-bookworm'
    ;;
  process)
    say "No Docker engine answers, so this demo names the process runner: the agents run as plain processes of this machine,
with NO isolation. That is fine for the demo's scripted model; for real work, start a Docker engine."
    rust_extra=$(demo/toolchain.sh "$work")
    node_extra=''
    ;;
  *) die "DEMO_RUNNER is docker or process, not $runner" ;;
esac

# What an earlier demo left: its sandboxes are ended by the program itself, then its folder goes.
server=''; model=''; watcher=''
stop() {
  for pid in $watcher $server $model; do kill "$pid" 2>/dev/null || true; done
  for pid in $server $model; do wait "$pid" 2>/dev/null || true; done
}
trap stop EXIT
trap 'exit 130' INT TERM

rm -rf "${work:?}"/{greeter,tally,almanac,state,priorities.csv,plans.json,strawboss.yaml,model.key,*.address,*.log}
for project in greeter tally almanac; do
  cp -r "demo/projects/$project" "$work/$project"
  if [ -f "$work/$project/gitignore" ]; then mv "$work/$project/gitignore" "$work/$project/.gitignore"; fi
  git -C "$work/$project" init --quiet --initial-branch=main
  git -C "$work/$project" add --all
  git -C "$work/$project" -c user.name="A Person" -c user.email=person@example.org commit --quiet -m "Begin"
done
cp "demo/$backlog" "$work/$backlog"
printf 'sk-demo-%s\n' "$(od -An -N12 -tx1 /dev/urandom | tr -d ' \n')" >"$work/model.key"
chmod 600 "$work/model.key"

"$programs/strawboss" mock-model --script demo/model.yaml --listen 127.0.0.1:0 --address-file "$work/model.address" >"$work/model.log" 2>&1 &
model=$!
wait_for() { # file pid log
  for _ in $(seq 600); do
    [ -s "$1" ] && return
    kill -0 "$2" 2>/dev/null || { cat "$3" >&2; die "$4 ended at once; its log stands above."; }
    sleep 0.1
  done
  die "$4 does not start; see $3"
}
wait_for "$work/model.address" "$model" "$work/model.log" "the mock model"

almanac_review=manual
[ -n "${ONCE:-}" ] && almanac_review=auto
cat >"$work/strawboss.yaml" <<YAML
server: { listen: "${DEMO_LISTEN:-127.0.0.1:7070}", data_dir: ./state }
backlogs:
  - { type: $source, file: ./$backlog, watch_interval: 2 }
runner: { type: $runner, max_concurrent: 3 }
agents:
  claude: { path: "$claude" }
providers:
  anthropic: { base_url: "http://$(cat "$work/model.address")", auth: api_key, secret_file: ./model.key, prices: { claude: { input: 3, output: 15 } } }
models:
  Sonnet 4: { agent: claude, model: claude-sonnet-4-20250514 }
projects:
  Greeter:
    directory: ./greeter
    checks: ["cargo test --quiet --offline"]
    review: auto
    tries: 2
    $rust_extra
  Tally:
    directory: ./tally
    checks: ["node --test"]
    review: auto
    $node_extra
  Almanac:
    directory: ./almanac
    checks: ["python3 -m unittest -q"]
    review: $almanac_review
YAML

"$programs/strawboss" serve --config "$work/strawboss.yaml" --address-file "$work/serve.address" >"$work/serve.log" 2>&1 &
server=$!
wait_for "$work/serve.address" "$server" "$work/serve.log" "strawboss serve"
address=$(cat "$work/serve.address")
say "Dashboard: http://$address/#token=$(cat "$work/state/admin-token")
Backlog:   $work/$backlog"
echo >&2

if [ -n "${ONCE:-}" ]; then
  node demo/watch.mjs "$address" "$work/state/admin-token" once "$tasks" "$finishable" || { tail -n 40 "$work/serve.log" >&2; die "the demo did not come to its end; see $work/serve.log"; }
  # The file follows the state; wait until it says so too.
  for _ in $(seq 100); do
    [ "$(grep -c "$finished" "$work/$backlog")" = "$finishable" ] && break
    sleep 0.1
  done
  [ "$(grep -c "$finished" "$work/$backlog")" = "$finishable" ] || die "the backlog does not say $finished $finishable times: $work/$backlog"
  say "The backlog now:"
  cat "$work/$backlog" >&2
  for project in greeter tally almanac; do
    say "$project:"
    git -C "$work/$project" log --oneline --graph -8 main >&2
  done
  say "Everything that can run is Completed, its branch checked and merged."
else
  node demo/watch.mjs "$address" "$work/state/admin-token" &
  watcher=$!
  say "Add to the backlog and watch; Ctrl-C ends the demo."
  wait "$server"
fi
