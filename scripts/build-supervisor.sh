#!/usr/bin/env bash
# Builds the supervisor as one static program and prints the folder that holds bin/strawboss-supervisor.
#
#   scripts/build-supervisor.sh          small and optimised, for use
#   scripts/build-supervisor.sh --dev    not optimised, for tests
set -euo pipefail
cd "$(dirname "$0")/.."

profile=supervisor
case "${1-}" in
  '') ;;
  --dev) profile=dev ;;
  *) echo "usage: $0 [--dev]" >&2; exit 2 ;;
esac

triple=$(rustc -vV | sed -n 's/^host: //p')
case "$triple" in
  *-linux-gnu) ;;
  *) echo "$0: this machine builds for $triple; a Linux machine with glibc is needed, since sandboxes run Linux" >&2; exit 1 ;;
esac
target=${CARGO_TARGET_DIR:-target}

# An explicit --target keeps the static flag away from build scripts and procedural macros.
RUSTFLAGS="${RUSTFLAGS:+$RUSTFLAGS }-Ctarget-feature=+crt-static" \
  cargo build --locked --profile "$profile" --target "$triple" --package strawboss-supervisor >&2

folder=$profile
[ "$profile" = dev ] && folder=debug
tool=$target/tools/supervisor
built=$target/$triple/$folder/strawboss-supervisor
mkdir -p "$tool/bin"
# Replaced by rename, and only when it differs: a sandbox may be starting from it just now.
if ! cmp -s "$built" "$tool/bin/strawboss-supervisor"; then
  cp "$built" "$tool/bin/.new.$$"
  mv -f "$tool/bin/.new.$$" "$tool/bin/strawboss-supervisor"
fi
cd "$tool" && pwd
