#!/usr/bin/env bash
# Every test there is, against real parts: installs what is missing, starts a Docker engine when none answers, builds, runs.
# Anything that this starts, it ends.
#
#   FAST=1   only what needs no engine, no browser and no root: the web front's and the crates' own tests. Left out are tests against
#            an engine, a full disk, those of the supervisor's and the whole program at work, the unit for systemd, tests/e2e and bench
set -euo pipefail
cd "$(dirname "$0")/.."

step() { printf '\n== %s\n' "$*" >&2; }

if [ "${FAST:-}" = 1 ]; then
  step "the web front"
  scripts/web.sh build
  scripts/web.sh test
  step "the Claude Code CLI"
  STRAWBOSS_CLAUDE_DIR=$(scripts/lab/agents.sh)
  export STRAWBOSS_CLAUDE_DIR
  step "the crates, without an engine"
  # The server's full disk is one that a test mounts, which takes root.
  cargo test --locked --no-fail-fast --package strawboss-core --package strawboss-protocol --package strawboss-store \
    --package strawboss-backlog --package strawboss-agent --package strawboss-engine --package strawboss-gateway \
    --package strawboss-server --package strawboss-testkit --package xtask -- --skip the_servers_full_disk
  # Of these a part alone: the rest is against a real engine, or the whole program at work.
  cargo test --locked --no-fail-fast --package strawboss-runner --package strawboss-docker-proxy --package strawboss-supervisor \
    --package strawboss --lib --bins --test door --test process --test cli
  exit
fi

step "packages"
scripts/lab/packages.sh
step "a Docker engine"
if [ "$(scripts/lab/engine.sh status >/dev/null 2>&1; echo $?)" -ne 0 ]; then
  started=yes
fi
scripts/lab/engine.sh start
# shellcheck disable=SC2154  # set above, or not at all
trap '[ "${started:-}" = yes ] && scripts/lab/engine.sh stop' EXIT
eval "$(scripts/lab/engine.sh env)"
step "the sandbox image"
scripts/lab/sandbox-image.sh
step "Compose and the base images of the system"
scripts/lab/compose.sh
scripts/lab/base-image.sh debian:bookworm-slim
step "the Claude Code CLI"
STRAWBOSS_CLAUDE_DIR=$(scripts/lab/agents.sh)
export STRAWBOSS_CLAUDE_DIR
step "what a Docker engine is taken for"
tests/lab/smoke.sh
step "the web front"
scripts/web.sh build
scripts/web.sh test
step "the programs"
cargo build --workspace --bins --locked
STRAWBOSS_SUPERVISOR_DIR=$(scripts/build-supervisor.sh --dev)
export STRAWBOSS_SUPERVISOR_DIR
step "the web front in a browser"
scripts/web.sh browser
step "Rust and end to end"
# Every failure in one go: whoever waited this long wants to see them all.
cargo test --workspace --all-features --locked --no-fail-fast
