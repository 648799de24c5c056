#!/usr/bin/env bash
# Builds the default sandbox image and prints its name.
#
#   sandbox-image.sh [--name]     --name: only print the name, build nothing
#
# The image is strawboss/sandbox:<hash of images/sandbox>, and strawboss/sandbox:latest besides. When it is there,
# nothing is built.
set -euo pipefail
# shellcheck source-path=SCRIPTDIR
. "$(dirname "${BASH_SOURCE[0]}")/lib.sh"

CONTEXT="$REPO/images/sandbox"

# The names and bytes of every file of the context: what the image is made of, as far as we say it.
content_hash() {
  (cd "$CONTEXT" && find . -type f -print0 | LC_ALL=C sort -z | xargs -0 sha256sum | sha256sum | cut -c1-12)
}

image="strawboss/sandbox:$(content_hash)"
case "${1:-}" in
  '') ;;
  --name)
    echo "$image"
    exit 0
    ;;
  *)
    sed -n '2,/^set -/{/^set -/d;s/^# \{0,1\}//;p}' "$0" >&2
    exit 2
    ;;
esac

mkdir -p "$LAB"
exports="$("$REPO/scripts/lab/engine.sh" env)" || exit 1
eval "$exports"
# One build at a time: two test suites may want it at once.
exec 9>"$LAB/image-sandbox.lock"
flock -w 900 9 || die "another sandbox-image.sh has been building for 15 minutes" "see what it does: fuser $LAB/image-sandbox.lock"

if ! docker image inspect "$image" >/dev/null 2>&1; then
  "$REPO/scripts/lab/base-image.sh" debian:bookworm-slim
  say "building $image"
  log="$(mktemp)"
  trap 'rm -f "$log"' EXIT
  # The legacy builder keeps a failed step's container and image unless told.
  if ! docker build --force-rm --label "strawboss.sandbox.content=${image##*:}" -t "$image" "$CONTEXT" >"$log" 2>&1; then
    tail -n 25 "$log" >&2
    die "docker build of $CONTEXT failed (its last lines stand above)" \
      "the build installs Debian packages over the engine's bridge: see that a container can: docker run --rm debian:bookworm-slim apt-get update"
  fi
fi
docker tag "$image" strawboss/sandbox:latest
echo "$image"
