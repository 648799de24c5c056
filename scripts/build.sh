#!/usr/bin/env bash
# The release programs with the web front in them, and the static supervisor. Prints the folder of the programs.
set -euo pipefail
cd "$(dirname "$0")/.."

scripts/web.sh build >&2
cargo build --release --locked -p strawboss >&2
scripts/build-supervisor.sh >&2
echo "${CARGO_TARGET_DIR:-target}/release"
