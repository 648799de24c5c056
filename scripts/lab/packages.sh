#!/usr/bin/env bash
# Installs what the tests need from the distribution, where it is lacking. Quick when all is there.
#
#   packages.sh [--list | NAME…]      --list: print the list with reasons, install nothing; NAMEs: only these of the list
#
# Docker comes by engine.sh, mmdebstrap by base-image.sh when it is needed at all.
set -euo pipefail
# shellcheck source-path=SCRIPTDIR
. "$(dirname "${BASH_SOURCE[0]}")/lib.sh"

# One a line: the package, the program it is wanted for (- where there is none), the reason.
PACKAGES="
git             git         mirrors, workspaces and merges are made with it
ca-certificates -           https to package registries
curl            curl        the scripts ask HTTP interfaces and the engine's socket with it
jq              jq          the scripts read JSON with it
python3         python3     the lab's smoke test speaks sockets and tar with it
libc6-dev       -           the static supervisor links against libc.a
gcc             gcc         links Rust programs and compiles SQLite
make            make        the Makefile
xz-utils        xz          unpacks Debian's packages and npm's prebuilt parts
iproute2        ip          a test reaches what its own engine publishes
procps          ps          the tests look at process trees
openssl         openssl     the tests make keys of service accounts with it
shellcheck      shellcheck  the scripts are checked with it
chromium        chromium    the web pages are tested in a real browser
postgresql      -           the state is tested on a real server, started by the tests with data of its own
nginx-light     nginx       the bench of the gateway is run beside it
tmux            tmux        sessions of the host are tested with it, on servers of the tests' own
systemd         systemd-analyze  the unit for servers without Compose is judged by it; nothing of it is started
"

if [ "${1:-}" = --list ]; then
  printf '%s' "$PACKAGES" | sed '/^$/d'
  exit 0
fi
for name in "$@"; do
  grep -q "^$name " <<<"$PACKAGES" || die "$name is not in the list" "choose from it: $0 --list"
done

lacking=()
while read -r package program _; do
  [ -n "$package" ] || continue
  if [ "$#" -gt 0 ] && [[ " $* " != *" $package "* ]]; then continue; fi
  # A program that is there by other means (a newer git, another nginx build) serves as well.
  if [ "$program" != - ] && have "$program"; then continue; fi
  installed "$package" || lacking+=("$package")
done <<<"$PACKAGES"
[ "${#lacking[@]}" = 0 ] || apt_install "${lacking[@]}"
