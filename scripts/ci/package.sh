#!/usr/bin/env bash
# Packs the release programs for this machine's processor, with the static supervisor where the program looks for it, and what
# docs/operations.md installs beside them: the unit, the sandbox image's sources, the pages.
#
#   package.sh VERSION PROGRAMS TOOLS OUT
#
# Makes OUT/strawboss-VERSION-linux-ARCH.tar.gz, the same bytes for the same files, and looks whether it works.
set -euo pipefail
cd "$(dirname "$0")/../.."

[ $# = 4 ] || { sed -n '2,/^set -/{/^set -/d;s/^# \{0,1\}//;p}' "$0" >&2; exit 2; }
version=$1 programs=$2 tools=$3 out=$4
die() { echo "package.sh: error: $1" >&2; exit 1; }
says="$("$programs/strawboss" --version)"
[ "$says" = "strawboss $version" ] || die "the program calls itself '$says', not 'strawboss $version': set the version in Cargo.toml"
supervisor="$tools/supervisor/bin/strawboss-supervisor"
# A sandbox's image may have no C library, or another one.
if readelf --program-headers "$supervisor" | grep -q INTERP; then die "$supervisor is not static"; fi

name="strawboss-$version-linux-$(uname -m)"
stage="$(mktemp -d)"
trap 'rm -rf "$stage"' EXIT
install -D -m 0755 "$programs/strawboss" "$stage/$name/bin/strawboss"
install -D -m 0755 "$supervisor" "$stage/$name/tools/supervisor/bin/strawboss-supervisor"
strip "$stage/$name/bin/strawboss"
git ls-files --error-unmatch README.md CHANGELOG.md LICENSE-APACHE LICENSE-MIT 'docs/*.md' deploy/systemd deploy/observability \
  images/sandbox >"$stage/files"
while IFS= read -r file; do install -D -m 0644 "$file" "$stage/$name/$file"; done <"$stage/files"
mkdir -p "$out"
tar --create --directory "$stage" --sort=name --mtime="@$(git log -1 --format=%ct)" --owner=0 --group=0 --numeric-owner "$name" |
  gzip --no-name --best >"$out/$name.tar.gz"

mkdir "$stage/unpacked"
tar --extract --gzip --file "$out/$name.tar.gz" --directory "$stage/unpacked"
[ "$("$stage/unpacked/$name/bin/strawboss" --version)" = "strawboss $version" ] || die "what was packed does not run"
echo "$out/$name.tar.gz"
