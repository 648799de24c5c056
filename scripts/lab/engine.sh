#!/usr/bin/env bash
# A Docker engine for tests and the demo.
#
#   engine.sh start [--own]   use the engine that answers, else install and start one
#   engine.sh stop            end the engine that this lab folder started (no other)
#   engine.sh status          say which engine answers; exit 0 only if one does
#   engine.sh env             print `export DOCKER_HOST=…` when a client needs it; for eval
#
# An engine that answers already (DOCKER_HOST, the docker context, /var/run/docker.sock) is used as it is and never
# stopped. Otherwise the distribution's engine is installed and `dockerd` started in the background with its data,
# log and pid in $STRAWBOSS_LAB (default: .cache/lab in the checkout).
#
# It listens on /var/run/docker.sock, which is free then, so that every Docker client and every other checkout finds it
# without being told; the caller's group may use it.
#
# --own: a second engine beside the one that answers, on its own socket in the lab folder and in a network namespace of
# its own (two engines in one would fight over docker0: starting the second can take the first one's bridge away).
# For tests that restart or break an engine: give it a STRAWBOSS_LAB of its own. It reaches no registry and no mirror:
# load images into it (docker save … | docker load). STRAWBOSS_NETNS: a file of the namespace to take in place of a new one,
# so that an engine that is started again finds the network that it left, as it does on a machine.
#
# STRAWBOSS_DOCKERD_ARGS: more arguments for dockerd (split at spaces), `--live-restore` for instance.
set -euo pipefail
# shellcheck source-path=SCRIPTDIR
. "$(dirname "${BASH_SOURCE[0]}")/lib.sh"

STANDARD=/var/run/docker.sock
DATA="$LAB/docker"
PIDFILE="$LAB/dockerd.pid"
LOG="$LAB/dockerd.log"
# Two checkouts must not start one at the standard place at once.
MACHINE_LOCK=/run/lock/strawboss-engine.lock
OWN_SOCKET="$LAB/engine.sock"
HOSTFILE="$LAB/engine.host"
# State of running containers: in /run, so that a reboot clears it. One folder for each lab.
EXEC_ROOT="/run/strawboss-lab-$(printf '%s' "$LAB" | sha256sum | cut -c1-8)"
# Seconds. A first start on a busy two-core machine takes three; a start after a crash with many containers, longer.
START_DEADLINE=90
# Seconds. dockerd gives containers fifteen before it kills them.
STOP_DEADLINE=60

# answers [HOST]: whether an engine speaks there (without HOST: wherever the docker client looks by itself).
answers() {
  have docker || return 1
  if [ $# -gt 0 ]; then
    DOCKER_HOST="$1" timeout 20 docker version --format '{{.Server.Version}}' >/dev/null 2>&1
  else
    timeout 20 docker version --format '{{.Server.Version}}' >/dev/null 2>&1
  fi
}

# our_pid: the process id of the dockerd that this lab folder started, if it lives. A pid file from before a reboot
# may name a stranger, so the process must be a dockerd with our data folder.
our_pid() {
  local pid
  [ -r "$PIDFILE" ] || return 1
  pid="$(cat "$PIDFILE" 2>/dev/null)" || return 1
  [[ "$pid" =~ ^[0-9]+$ ]] || return 1
  tr '\0' '\n' <"/proc/$pid/cmdline" 2>/dev/null | grep -qxF -- "--data-root=$DATA" || return 1
  echo "$pid"
}

# our_host: where our own engine listens, if it lives.
our_host() {
  our_pid >/dev/null && [ -r "$HOSTFILE" ] && cat "$HOSTFILE"
}

# client_host: where a docker client without further words goes.
client_host() {
  if [ -n "${DOCKER_HOST:-}" ]; then
    echo "$DOCKER_HOST"
  else
    docker context inspect --format '{{.Endpoints.docker.Host}}' 2>/dev/null || echo "unix://$STANDARD"
  fi
}

# found_host: the engine to use: our own if it lives, else the client's, if it answers.
found_host() {
  local host
  if host="$(our_host)" && answers "$host"; then
    echo "$host"
  elif answers; then
    client_host
  else
    return 1
  fi
}

describe() {
  DOCKER_HOST="$1" docker version --format 'engine {{.Server.Version}}, API {{.Server.APIVersion}}'
}

install_engine() {
  have dockerd && have docker && have iptables && return 0
  apt_install docker.io iptables
  # From Debian 13 on the client is a package of its own.
  have docker || apt_install docker-cli
}

# A killed dockerd takes its containerd with it, a moment later. A new dockerd that meets the dying one takes it for
# alive, waits for its answer and gives up: so wait until it is gone, and let its pid file not outlive it.
forget_dead_containerd() {
  local file="$EXEC_ROOT/containerd/containerd.pid" pid deadline=$((SECONDS + 15)) state
  pid="$(as_root cat "$file" 2>/dev/null)" || return 0
  while [[ "$pid" =~ ^[0-9]+$ ]] && [ "$(cat "/proc/$pid/comm" 2>/dev/null)" = containerd ]; do
    state="$(sed -n 's/^State:[[:space:]]*\(.\).*/\1/p' "/proc/$pid/status" 2>/dev/null)" || true
    # Dead, and not yet reaped; or alive for good, which dockerd knows how to use.
    [ "$state" != Z ] || break
    [ "$SECONDS" -le "$deadline" ] || return 0
    sleep 0.1
  done
  as_root rm -f "$file"
}

launch() {
  local socket="$1" own="$2" host arguments
  host="unix://$socket"
  # A Unix socket's path holds 107 bytes at most.
  [ "${#socket}" -le 107 ] || die "the socket's path is too long (${#socket} bytes): $socket" \
    "set STRAWBOSS_LAB to a shorter folder"
  arguments=(
    "--data-root=$DATA" "--exec-root=$EXEC_ROOT" "--pidfile=$PIDFILE" "--host=$host"
    "--group=$(id -g)"
  )
  local namespace=()
  if [ "$own" = yes ] && [ -n "${STRAWBOSS_NETNS:-}" ]; then
    namespace=(nsenter "--net=$STRAWBOSS_NETNS")
  elif [ "$own" = yes ]; then
    namespace=(unshare --net)
  fi
  local more
  read -r -a more <<<"${STRAWBOSS_DOCKERD_ARGS:-}"
  arguments+=("${more[@]}")

  forget_dead_containerd
  as_root rm -f "$PIDFILE"
  [ ! -S "$socket" ] || as_root rm -f "$socket"
  echo "$host" >"$HOSTFILE"
  : >>"$LOG"
  say "starting dockerd (data: $DATA, log: $LOG)"
  # dockerd outlives us: its own session, no terminal, and none of our open files, or it would keep our lock (and any
  # lock of our caller) for ever.
  # shellcheck disable=SC2016  # expanded by the inner shell
  as_root setsid --fork "${namespace[@]}" bash -c '
    log=$1; shift
    exec </dev/null >>"$log" 2>&1
    for fd in /proc/$$/fd/*; do
      fd=${fd##*/}
      [ "$fd" -le 2 ] || eval "exec $fd>&-"
    done
    cd /
    exec dockerd "$@"' dockerd-launcher "$LOG" "${arguments[@]}"

  local deadline=$((SECONDS + START_DEADLINE)) seen=''
  until answers "$host"; do
    if our_pid >/dev/null; then
      seen=yes
    elif [ -n "$seen" ] || [ "$SECONDS" -gt $((deadline - START_DEADLINE + 15)) ]; then
      tail -n 15 "$LOG" >&2
      die "dockerd ended before it answered (the end of $LOG stands above)" \
        "the machine must allow mounts, cgroups and iptables: a container without --privileged does not"
    fi
    if [ "$SECONDS" -gt "$deadline" ]; then
      tail -n 15 "$LOG" >&2
      die "dockerd did not answer on $host within $START_DEADLINE s (the end of $LOG stands above)" \
        "$0 stop, then look at $LOG"
    fi
    sleep 0.2
  done
  say "$(describe "$host") answers on $host"
}

start() {
  local own=no host
  case "${1:-}" in
    '') ;;
    --own) own=yes ;;
    *) usage ;;
  esac
  mkdir -p "$LAB"
  local lock="$MACHINE_LOCK"
  [ "$own" = no ] || lock="$LAB/engine.lock"
  # Opened for reading: it may belong to another user.
  [ -e "$lock" ] || : >>"$lock"
  exec 9<"$lock"
  flock -w 300 9 || die "another engine.sh has held $lock for 5 minutes" "see what it does: fuser $lock"

  if host="$(our_host)" && answers "$host"; then
    say "our $(describe "$host") answers on $host"
    return 0
  fi
  if [ "$own" = no ] && host="$(found_host)"; then
    say "$(describe "$host") answers on $host: using it"
    return 0
  fi
  if [ "$own" = no ] && [ -n "${DOCKER_HOST:-}" ]; then
    die "DOCKER_HOST is $DOCKER_HOST and no engine answers there" "start that engine, or unset DOCKER_HOST and let this script start one"
  fi
  if [ "$own" = no ] && [ -S "$STANDARD" ] && [ ! -w "$STANDARD" ]; then
    die "an engine's socket stands at $STANDARD, and $(id -un) may not use it" \
      "add yourself to its group (sudo usermod -aG docker $(id -un), then log in again), or run as root"
  fi
  install_engine
  if [ "$own" = no ]; then launch "$STANDARD" no; else launch "$OWN_SOCKET" yes; fi
}

# What an ended dockerd leaves: its data folder mounted onto itself (if it was killed), and its state in /run. Containers
# that live on without it (--live-restore) need that state, so it goes only when nothing uses it.
tidy() {
  if mountpoint -q "$DATA" 2>/dev/null; then as_root umount "$DATA" 2>/dev/null || true; fi
  if [ -d "$EXEC_ROOT" ] && have pgrep && ! pgrep -f -- "$EXEC_ROOT" >/dev/null && ! grep -qF " $EXEC_ROOT/" /proc/mounts; then
    as_root rm -rf --one-file-system "$EXEC_ROOT"
  fi
}

stop() {
  local pid deadline
  [ $# = 0 ] || usage
  if ! pid="$(our_pid)"; then
    tidy
    say "no engine of ours runs (lab folder: $LAB)"
    return 0
  fi
  say "ending dockerd $pid"
  as_root kill -TERM "$pid"
  deadline=$((SECONDS + STOP_DEADLINE))
  while our_pid >/dev/null; do
    [ "$SECONDS" -le "$deadline" ] || die "dockerd $pid did not end within $STOP_DEADLINE s" "look at $LOG; kill -9 $pid is the last resort"
    sleep 0.2
  done
  rm -f "$HOSTFILE"
  tidy
  say "ended"
}

status() {
  local host pid
  [ $# = 0 ] || usage
  if host="$(found_host)"; then
    if pid="$(our_pid)" && [ "$host" = "$(our_host)" ]; then
      echo "$host: $(describe "$host"), started by this lab (pid $pid, log $LOG)"
    else
      echo "$host: $(describe "$host"), not ours"
    fi
  else
    echo "no engine answers"
    say "start one: $0 start"
    return 1
  fi
}

# `export` lines for eval; nothing when the default is right already.
environment() {
  local host
  [ $# = 0 ] || usage
  host="$(found_host)" || die "no engine answers" "$0 start"
  if [ "$host" != "${DOCKER_HOST:-unix://$STANDARD}" ]; then printf 'export DOCKER_HOST=%q\n' "$host"; fi
}

usage() {
  sed -n '2,/^set -/{/^set -/d;s/^# \{0,1\}//;p}' "$0" >&2
  exit 2
}

command="${1:-}"
[ $# = 0 ] || shift
case "$command" in
  start) start "$@" ;;
  stop) stop "$@" ;;
  status) status "$@" ;;
  env) environment "$@" ;;
  *) usage ;;
esac
