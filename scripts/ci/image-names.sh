#!/usr/bin/env bash
# Says how an image is called that is built of this commit, as lines for $GITHUB_OUTPUT.
#
#   image-names.sh IMAGE ARCH
#
# name=   without a tag: ghcr.io/<owner>/<repository>/<image>, or under $REGISTRY
# cache=  where the layers of its builds are kept
# part=   with a tag of its own for this commit and processor
# tags=   the tags under which it is found: the version and `latest`, or `main`
set -euo pipefail

[ $# = 2 ] || { sed -n '2,/^set -/{/^set -/d;s/^# \{0,1\}//;p}' "$0" >&2; exit 2; }
image=$1 arch=$2
: "${GITHUB_REPOSITORY:?it names the repository, owner/name}" "${GITHUB_SHA:?the commit}" "${GITHUB_REF:?refs/heads/… or refs/tags/…}"
# A registry knows no capital letters.
name="${REGISTRY:-ghcr.io}/${GITHUB_REPOSITORY,,}/$image"
case "$GITHUB_REF" in
  refs/tags/v*)
    version="${GITHUB_REF#refs/tags/v}"
    # A tag of git may hold what a tag of an image may not, and what a shell would take for a command.
    [[ "$version" =~ ^[0-9]+\.[0-9]+\.[0-9]+(-[0-9A-Za-z.]{1,40})?$ ]] || {
      echo "image-names.sh: error: the tag v$version is no version like v1.2.3 or v1.2.3-rc.1" >&2
      exit 1
    }
    tags="$version"
    # Who asks for no version wants no release candidate.
    [ -n "${BASH_REMATCH[1]:-}" ] || tags+=" latest"
    ;;
  refs/heads/main) tags=main ;;
  *) tags='' ;;
esac
echo "name=$name"
echo "cache=$name:cache-$arch"
echo "part=$name:commit-${GITHUB_SHA:0:12}-$arch"
echo "tags=$tags"
