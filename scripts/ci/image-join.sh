#!/usr/bin/env bash
# Gives the images of one commit, one for each processor, their common tags.
#
#   image-join.sh IMAGE ARCH…
set -euo pipefail

[ $# -ge 2 ] || { sed -n '2,/^set -/{/^set -/d;s/^# \{0,1\}//;p}' "$0" >&2; exit 2; }
image=$1
shift
here="$(dirname "$0")"
said() { "$here/image-names.sh" "$image" "$1" | sed -n "s/^$2=//p"; }
name="$(said "$1" name)"
tags="$(said "$1" tags)"
[ -n "$tags" ] || { echo "image-join.sh: error: ${GITHUB_REF:-} is neither main nor a version: it has no tags" >&2; exit 1; }
parts=()
for arch in "$@"; do parts+=("$(said "$arch" part)"); done
arguments=()
for tag in $tags; do arguments+=(--tag "$name:$tag"); done
docker buildx imagetools create "${arguments[@]}" "${parts[@]}"
