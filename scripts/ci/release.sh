#!/usr/bin/env bash
# Publishes the packages of a folder as the release of the tag that is being built, with their checksums.
#
#   release.sh FOLDER
set -euo pipefail

[ $# = 1 ] || { sed -n '2,/^set -/{/^set -/d;s/^# \{0,1\}//;p}' "$0" >&2; exit 2; }
: "${GITHUB_REF_NAME:?the tag}"
cd "$1"
sha256sum -- *.tar.gz >SHA256SUMS
sha256sum --check --strict SHA256SUMS
flags=()
case "$GITHUB_REF_NAME" in *-*) flags+=(--prerelease) ;; esac
gh release create "$GITHUB_REF_NAME" --verify-tag --title "$GITHUB_REF_NAME" --generate-notes "${flags[@]}" -- *.tar.gz SHA256SUMS
