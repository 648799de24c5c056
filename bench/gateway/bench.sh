#!/bin/sh
# Builds the harness and the gateway as shipped, measures, prints the table and one line of JSON.
#   bench/gateway/bench.sh [options of run.py]
# On a busy machine, as root: GWBENCH_REALTIME=1, or the figures are the neighbours'.
set -eu
cd "$(dirname "$0")"
(cd harness && CARGO_TARGET_DIR="$PWD/target" cargo build --release --quiet)
(cd ../.. && cargo build --release --quiet -p strawboss-gateway --example gateway-bench)
${GWBENCH_REALTIME:+chrt -r 1} python3 run.py --only direct,nginx,relay,strawboss "$@"
python3 report.py --targets
