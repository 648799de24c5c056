#!/usr/bin/env bash
# Measures Strawboss as it is shipped and prints one table; the same goes to bench/results.json.
#
#   bench/run.sh [--quick] [MEASUREMENT]
#
#   --quick        only see that everything works: small sizes, few repetitions; the figures mean nothing
#   MEASUREMENT    all (default), decisions, start, repository, idle, system, terminal, gateway
#
# Rows about containers need a Docker engine: the one that answers is used, else one is started and ended again
# (scripts/lab/engine.sh). Where none can be had they are left out, and stderr says so. A missed aim is no error.
set -euo pipefail
cd "$(dirname "$0")/.."

quick=()
briefly=()
what=all
for argument in "$@"; do
  case "$argument" in
    --quick)
      quick=(--quick)
      briefly=(--seconds 1)
      ;;
    all | decisions | start | repository | idle | system | terminal | gateway) what=$argument ;;
    *)
      sed -n '2,/^set -/{/^set -/d;s/^# \{0,1\}//;p}' "$0" >&2
      exit 2
      ;;
  esac
done
step() { printf '\n== %s\n' "$*" >&2; }

if [[ $what = all || $what = system ]] && [ ! -e web/dist/index.html ]; then
  step "the pages, which are in the program"
  # Without npm the program is built without them, and its image is smaller by less than 1 MB.
  if command -v npm >/dev/null; then scripts/web.sh build >&2; else echo "run.sh: no npm: the image has no pages" >&2; fi
fi
step "the programs, optimised"
cargo build --release --locked -p strawboss -p strawboss-bench >&2
STRAWBOSS_SUPERVISOR_DIR=$(scripts/build-supervisor.sh)
STRAWBOSS_BIN_DIR=$(realpath "${CARGO_TARGET_DIR:-target}/release")
export STRAWBOSS_SUPERVISOR_DIR STRAWBOSS_BIN_DIR

gateway=()
case "$what" in
  all | gateway)
    step "the gateway"
    # Its whole report is in bench/gateway/results.json; the rows that matter come into the table below.
    bench/gateway/bench.sh "${briefly[@]}" >&2
    gateway=(--gateway bench/gateway/results.json)
    ;;
esac
made=()
peer=()
# shellcheck disable=SC2329  # the trap's
leave() {
  [ ${#made[@]} = 0 ] || docker image rm "${made[@]}" >/dev/null 2>&1 || true
  [ "${started:-}" != yes ] || scripts/lab/engine.sh stop >&2
}
case "$what" in
  all | start | repository | system | terminal)
    step "a Docker engine and the sandbox image"
    if ! scripts/lab/engine.sh status >/dev/null 2>&1; then
      started=yes
    fi
    trap leave EXIT
    if scripts/lab/engine.sh start >&2 && environment=$(scripts/lab/engine.sh env); then
      eval "$environment"
      scripts/lab/sandbox-image.sh >&2 || echo "run.sh: no sandbox image: rows about containers are left out" >&2
    else
      echo "run.sh: no Docker engine can be had: rows about containers are left out" >&2
    fi
    ;;
esac
if [[ $what = all || $what = system ]] && docker version >/dev/null 2>&1; then
  step "the system's peer"
  # Images of this run alone: they go with it.
  export STRAWBOSS_LAB_TAG=bench-$$
  made=(strawboss/{strawboss,edge,postgres,bench-peer}:"$STRAWBOSS_LAB_TAG")
  if scripts/lab/compose.sh >&2 && scripts/lab/base-image.sh debian:bookworm-slim >&2 &&
    docker buildx build --load --quiet --tag "${made[3]}" bench/system >&2; then
    peer=(--peer "${made[3]}")
  else
    echo "run.sh: the peer cannot be built: the system's rows have none" >&2
  fi
fi
step "measuring"
"$STRAWBOSS_BIN_DIR/strawboss-bench" "$what" "${quick[@]}" "${gateway[@]}" "${peer[@]}" --out bench/results.json
