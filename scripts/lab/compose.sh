#!/usr/bin/env bash
# Makes sure that `docker compose` (v2) and `docker buildx` answer.
#
#   compose.sh
#
# Debian 12 has neither; Debian 13's packages run on it. They are fetched from the mirrors that this machine's apt uses,
# in lists of their own, and only the two plugins are put into /usr/local/lib/docker/cli-plugins.
set -euo pipefail
# shellcheck source-path=SCRIPTDIR
. "$(dirname "${BASH_SOURCE[0]}")/lib.sh"

SUITE=trixie
PLUGINS=/usr/local/lib/docker/cli-plugins
# Package, plugin, and the versions that were tried.
PACKAGES="
docker-compose docker-compose 2.26.
docker-buildx  docker-buildx  0.13.
"

answers() { docker compose version >/dev/null 2>&1 && docker buildx version >/dev/null 2>&1; }

have docker || "$REPO/scripts/lab/engine.sh" start
if answers; then exit 0; fi

mkdir -p "$LAB"
exec 9>"$LAB/compose.lock"
flock -w 600 9 || die "another compose.sh has been fetching for 10 minutes" "see what it does: fuser $LAB/compose.lock"
if answers; then exit 0; fi

WORK="$(mktemp -d)"
trap 'rm -rf "$WORK"' EXIT
mkdir -p "$WORK/lists/partial" "$WORK/archives/partial"
# apt's own user reads and writes there.
chmod -R a+rwX "$WORK"
apt_install debian-archive-keyring
debian_mirrors "$SUITE" | sed 's#^deb #deb [signed-by=/usr/share/keyrings/debian-archive-keyring.gpg] #' >"$WORK/sources.list"
apt=(apt-get -q -o "Dir::Etc::SourceList=$WORK/sources.list" -o Dir::Etc::SourceParts=/dev/null
  -o "Dir::State::Lists=$WORK/lists" -o "Dir::Cache=$WORK" -o APT::Sandbox::User=root)
say "fetching Compose and BuildX from Debian ($SUITE)"
"${apt[@]}" update >"$WORK/log" 2>&1 || { tail -n 15 "$WORK/log" >&2; die "apt-get update failed for $SUITE (its last lines stand above)" "look at the machine's apt sources and network"; }
while read -r package plugin version; do
  [ -n "$package" ] || continue
  (cd "$WORK" && "${apt[@]}" download "$package" >>"$WORK/log" 2>&1) || { tail -n 15 "$WORK/log" >&2; die "apt-get could not fetch $package from $SUITE" "look at the machine's apt sources and network"; }
  deb=$(echo "$WORK/$package"_*.deb)
  found=$(dpkg-deb --field "$deb" Version)
  [[ "$found" == "$version"* ]] || die "$SUITE has $package $found, and ${version}x was tried" "try it, then move the pin in $0"
  dpkg-deb --extract "$deb" "$WORK/$package"
  as_root install -D -m 0755 "$WORK/$package/usr/libexec/docker/cli-plugins/$plugin" "$PLUGINS/$plugin"
done <<<"$PACKAGES"
answers || die "the plugins are in $PLUGINS and do not answer" "see what 'docker compose version' says"
say "$(docker compose version --short) (compose), $(docker buildx version | cut -d' ' -f2) (buildx)"
