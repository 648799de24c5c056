#!/usr/bin/env bash
# Makes the images that compose.yaml needs here, also where no container registry can be reached, and prints the variables
# that say so, for `docker compose --env-file`.
#
#   system-images.sh PROGRAMS TOOLS     folder with the program strawboss, folder with supervisor/
#
# STRAWBOSS_LAB_TAG: the tag that they get (default: lab). Whoever shares an engine takes one of their own.
#
# The image of Strawboss itself is made of these programs (PROGRAMS=prebuilt), everything else as its Dockerfile says.
# PostgreSQL is Debian's, behind a stand-in for the official image.
set -euo pipefail
# shellcheck source-path=SCRIPTDIR
. "$(dirname "${BASH_SOURCE[0]}")/lib.sh"

[ $# = 2 ] || { sed -n '2,/^set -/{/^set -/d;s/^# \{0,1\}//;p}' "$0" >&2; exit 2; }
programs=$1 tools=$2 tag=${STRAWBOSS_LAB_TAG:-lab}
[[ "$tag" =~ ^[A-Za-z0-9_][A-Za-z0-9_.-]{0,60}$ ]] || die "STRAWBOSS_LAB_TAG is no tag of an image: $tag" "take letters, digits and ._-"
"$REPO/scripts/lab/compose.sh"
exports="$("$REPO/scripts/lab/engine.sh" env)" || exit 1
eval "$exports"
"$REPO/scripts/lab/base-image.sh" debian:bookworm-slim

mkdir -p "$LAB"
exec 9>"$LAB/system-images.lock"
flock -w 900 9 || die "another system-images.sh has been building for 15 minutes" "see what it does: fuser $LAB/system-images.lock"
log=$(mktemp)
context=$(mktemp -d)
trap 'rm -rf "$log" "$context"' EXIT

build() { # NAME CONTEXT ARGUMENT…
  local name=$1 folder=$2
  shift 2
  say "building $name"
  docker buildx build --load --progress=plain --tag "$name" "$@" "$folder" >"$log" 2>&1 || {
    tail -n 30 "$log" >&2
    die "the image $name could not be built (its last lines stand above)" "docker buildx build $* $folder"
  }
}
# A context of its own: only what is wanted, and the folder dist/ of the sources stays the user's.
mkdir -p "$context/images" "$context/dist/bin" "$context/dist/tools"
cp -r "$REPO/images/strawboss" "$context/images/"
cp "$programs/strawboss" "$context/dist/bin/"
strip "$context/dist/bin/strawboss"
cp -r "$tools/supervisor" "$context/dist/tools/"
build "strawboss/strawboss:$tag" "$context" --file "$context/images/strawboss/Dockerfile" --build-arg PROGRAMS=prebuilt --target runtime
build "strawboss/edge:$tag" "$REPO/images/edge"
build "strawboss/postgres:$tag" "$REPO/tests/compose/postgres"
"$REPO/scripts/lab/sandbox-image.sh" >/dev/null
cat <<ENV
STRAWBOSS_IMAGE=strawboss/strawboss:$tag
EDGE_IMAGE=strawboss/edge:$tag
POSTGRES_IMAGE=strawboss/postgres:$tag
ENV
