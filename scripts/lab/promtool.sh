#!/usr/bin/env bash
# Gets promtool, with which alert rules and metrics are checked. Prints its path.
#
# One that is on the PATH serves. Else it is taken out of Debian's package `prometheus`, which is downloaded (18 MB) and not
# installed: that would bring a service and a dozen of JavaScript packages. apt checks the package's sum.
#
# What comes out, in $STRAWBOSS_CACHE (default: ~/.cache/strawboss):
#   tools/promtool/bin/promtool
set -euo pipefail
# shellcheck source-path=SCRIPTDIR
. "$(dirname "${BASH_SOURCE[0]}")/lib.sh"

if have promtool; then
  command -v promtool
  exit 0
fi
program="$CACHE/tools/promtool/bin/promtool"
if [ ! -x "$program" ]; then
  have apt-get || die "promtool is not here, and no apt-get to fetch it with" "install Prometheus by this system's own means"
  STAGE="$(mktemp -d)"
  trap 'rm -rf "$STAGE"' EXIT
  # apt's own user downloads, and may write nowhere else.
  chmod 0755 "$STAGE"
  say "fetching promtool from Debian's package prometheus"
  fetch() { (cd "$STAGE" && apt-get -q -o APT::Sandbox::User=root download prometheus) >"$STAGE/log" 2>&1; }
  fetch || { as_root apt-get -q update >&2 && fetch; } || {
    tail -n 10 "$STAGE/log" >&2
    die "apt-get could not download prometheus (its last lines stand above)" "look at the machine's apt sources and network"
  }
  dpkg-deb --fsys-tarfile "$STAGE"/prometheus_*.deb | tar -x -C "$STAGE" ./usr/bin/promtool
  mkdir -p "$(dirname "$program")"
  # Whole or not at all, also when two do this at once.
  mv "$STAGE/usr/bin/promtool" "$program.$$"
  mv "$program.$$" "$program"
fi
echo "$program"
