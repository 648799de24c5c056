#!/usr/bin/env bash
# Fetches agents' real command-line programs, pinned and verified, into the cache.
#
#   agents.sh [claude…]       default: claude. Prints the folder of each, one a line.
#
# What comes out, in $STRAWBOSS_CACHE (default: ~/.cache/strawboss):
#   tools/claude-<version>-<arch>/bin/claude       the native binary; any user may run it
#   tools/claude-<version>-<arch>/manifest.json    {"name", "version", "arch", "sha256"}; sha256 is bin/claude's
# The folder appears whole or not at all; it is never changed once it stands. With it in the cache no network is needed.
set -euo pipefail
# shellcheck source-path=SCRIPTDIR
. "$(dirname "${BASH_SOURCE[0]}")/lib.sh"

# To move a pin: npm view <package> version, and `npm view <package>-linux-<arch>@<version> dist.integrity` for each architecture.
CLAUDE_VERSION=2.1.329
CLAUDE_PACKAGE=@anthropic-ai/claude-code-linux
declare -A CLAUDE_INTEGRITY=(
  [x64]=sha512-+n4lu1ubYAp02Y0X/MAUnxw9yY6SHHZ77F+IoW+V0wVoFuiI9opdH6gofjf14gXJCEYMTNpks7Gn1i8XZTKAWA==
  [arm64]=sha512-IiG5umFToSCVWqB1lEsxxwIxKgxPXyZ3DRU915v8J4Bz5Q3JpslM0ew1m5yaT+lFXBPvYxmsEgi0XI68XHND0A==
)

STAGE=''
cleanup() { [ -z "$STAGE" ] || rm -rf "$STAGE"; }
trap cleanup EXIT

# complete FOLDER PROGRAM: whether what an earlier run made is whole. The sum is not taken again: that would cost
# a second each time, and the folder was renamed into place only after it was right.
complete() { [ -s "$1/manifest.json" ] && [ -x "$1/bin/$2" ]; }

# fetch PACKAGE VERSION INTEGRITY FILE: downloads npm's tarball and checks it against the pinned sum.
fetch() {
  local package="$1" version="$2" integrity="$3" file="$4" packed actual
  have npm || die "npm is needed to fetch $package@$version, and is not here" "install Node.js with npm, 20 or later"
  say "fetching $package@$version from npm (about 170 MB)"
  # npm itself verifies what the registry says of the tarball; the pin below says that the registry still means the same.
  packed="$(cd "$STAGE" && npm pack --silent --ignore-scripts --pack-destination "$STAGE" "$package@$version" 2>"$STAGE/npm.log" | tail -n 1)" || {
    tail -n 15 "$STAGE/npm.log" >&2
    die "npm could not fetch $package@$version (its last lines stand above)" "look at npm's registry setting and the network: npm ping"
  }
  mv "$STAGE/$packed" "$file"
  # shellcheck disable=SC2016  # JavaScript, not shell
  actual="$(node -e '
    const hash = require("crypto").createHash("sha512");
    require("fs").createReadStream(process.argv[1]).on("data", (d) => hash.update(d))
      .on("end", () => console.log(`sha512-${hash.digest("base64")}`));' "$file")"
  [ "$actual" = "$integrity" ] ||
    die "$package@$version is not what was pinned: expected $integrity, got $actual" \
      "do not use it; if the pin is wrong, correct it in $0 after looking why"
}

claude() {
  local arch folder lock integrity sum said
  arch="$(machine_arch)"
  folder="$CACHE/tools/claude-$CLAUDE_VERSION-$arch"
  if complete "$folder" claude; then
    echo "$folder"
    return
  fi
  mkdir -p "$CACHE/tools"
  lock="$CACHE/tools/.claude-$CLAUDE_VERSION-$arch.lock"
  exec 9>"$lock"
  flock -w 900 9 || die "another agents.sh has been fetching claude for 15 minutes" "see what it does: fuser $lock"
  if complete "$folder" claude; then
    exec 9>&-
    echo "$folder"
    return
  fi

  integrity="${CLAUDE_INTEGRITY[$arch]}"
  # On the cache's own file system, so that the last step is a rename. Ours alone while we hold the lock; what a killed
  # run left there goes.
  STAGE="$CACHE/tools/.stage-claude-$CLAUDE_VERSION-$arch"
  rm -rf "$STAGE"
  mkdir -p "$STAGE"
  fetch "$CLAUDE_PACKAGE-$arch" "$CLAUDE_VERSION" "$integrity" "$STAGE/package.tgz"
  mkdir -p "$STAGE/tool/bin"
  tar -xzf "$STAGE/package.tgz" -C "$STAGE/tool/bin" --no-same-owner --strip-components=1 package/claude package/LICENSE.md
  mv "$STAGE/tool/bin/LICENSE.md" "$STAGE/tool/LICENSE.md"
  chmod 0755 "$STAGE/tool" "$STAGE/tool/bin" "$STAGE/tool/bin/claude"
  chmod 0644 "$STAGE/tool/LICENSE.md"

  # A HOME of its own: it must leave nothing in the caller's.
  said="$(HOME="$STAGE" DISABLE_AUTOUPDATER=1 timeout 60 "$STAGE/tool/bin/claude" --version 2>&1)" ||
    die "the fetched claude does not run here: $said" "it needs glibc on linux-$arch"
  case "$said" in
    "$CLAUDE_VERSION "*) ;;
    *) die "the fetched claude calls itself '$said', not $CLAUDE_VERSION" "look at the package before using it" ;;
  esac
  sum="$(sha256sum "$STAGE/tool/bin/claude" | cut -d' ' -f1)"
  printf '{"name": "claude", "version": "%s", "arch": "%s", "sha256": "%s"}\n' "$CLAUDE_VERSION" "$arch" "$sum" >"$STAGE/tool/manifest.json"
  chmod 0644 "$STAGE/tool/manifest.json"
  # What stands there is not whole (see above): an interrupted removal, say.
  rm -rf "$folder"
  mv -T "$STAGE/tool" "$folder"
  rm -rf "$STAGE"
  STAGE=''
  exec 9>&-
  say "claude $CLAUDE_VERSION ($arch) is in $folder"
  echo "$folder"
}

case "${1:-}" in -h | --help)
  sed -n '2,/^set -/{/^set -/d;s/^# \{0,1\}//;p}' "$0" >&2
  exit 0
  ;;
esac
[ $# -gt 0 ] || set -- claude
for agent in "$@"; do
  case "$agent" in
    claude) claude ;;
    *) die "no such agent is fetched by this script: $agent" "known: claude" ;;
  esac
done
