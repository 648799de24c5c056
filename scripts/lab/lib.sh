# shellcheck shell=bash
# What the lab scripts share: messages, paths, becoming root, installing packages.
# Sourced, never run. It must not start anything by itself.

# Progress goes to stderr, so that stdout holds only what a script is asked to print.
say() { printf '%s: %s\n' "${0##*/}" "$*" >&2; }

# die WHAT [HINT…]: says what was tried and why it failed, then what to do next.
die() {
  printf '%s: error: %s\n' "${0##*/}" "$1" >&2
  shift
  local hint
  for hint in "$@"; do printf '%s:   do: %s\n' "${0##*/}" "$hint" >&2; done
  exit 1
}

have() { command -v "$1" >/dev/null 2>&1; }

# /usr/sbin is not on every user's PATH, and dockerd, nginx and iptables live there.
PATH="$PATH:/usr/local/sbin:/usr/sbin:/sbin"

REPO="$(cd "$(dirname "${BASH_SOURCE[0]}")/../.." && pwd -P)"
# What the lab keeps on this machine and can make again: the engine's data, its log, its pid.
# shellcheck disable=SC2034  # used by the scripts that source this file
LAB="$(realpath -m "${STRAWBOSS_LAB:-$REPO/.cache/lab}")"
# What is downloaded once and shared by every checkout of this user.
# shellcheck disable=SC2034
CACHE="$(realpath -m "${STRAWBOSS_CACHE:-$HOME/.cache/strawboss}")"

is_root() { [ "$(id -u)" = 0 ]; }

# Runs a command as root: directly, or through sudo where we are not.
as_root() {
  if is_root; then
    "$@"
  elif have sudo; then
    sudo -- "$@"
  else
    die "this step needs root: $*" "run the script as root, or install sudo and allow it for $(id -un)"
  fi
}

# installed PACKAGE: whether dpkg has it configured.
installed() {
  [ "$(dpkg-query -W -f='${db:Status-Status}' "$1" 2>/dev/null)" = installed ]
}

# apt_install PACKAGE…: installs what is lacking; refreshes the package lists only when a first try fails. Starts no service
# that a package brings: what we need of them we start ourselves, where and when we want it.
apt_install() {
  local package lacking=()
  have apt-get || die "cannot install $*: no apt-get here (the lab is written for Debian and its kin)" \
    "install $* by this system's own means and run again"
  for package in "$@"; do installed "$package" || lacking+=("$package"); done
  [ "${#lacking[@]}" -gt 0 ] || return 0
  say "installing ${lacking[*]}"
  (
    local log policy=/usr/sbin/policy-rc.d made=''
    log="$(mktemp)"
    trap 'rm -f "$log"; [ -z "$made" ] || as_root rm -f "$policy"' EXIT
    if [ ! -e "$policy" ]; then
      printf '#!/bin/sh\nexit 101\n' | as_root tee "$policy" >/dev/null
      made=yes
      as_root chmod 0755 "$policy"
    fi
    # DPkg::Lock::Timeout: another apt on this machine is waited for instead of failing at once.
    local apt=(env DEBIAN_FRONTEND=noninteractive apt-get -q -y -o DPkg::Lock::Timeout=300)
    local install=("${apt[@]}" install --no-install-recommends "${lacking[@]}")
    if ! as_root "${install[@]}" >"$log" 2>&1 &&
      ! { as_root "${apt[@]}" update && as_root "${install[@]}"; } >"$log" 2>&1; then
      tail -n 20 "$log" >&2
      die "apt-get could not install: ${lacking[*]} (its last lines stand above)" \
        "look at the machine's apt sources and network, then run again"
    fi
  ) </dev/null
}

# machine_arch: x64 or arm64, as npm's platform packages say it.
machine_arch() {
  case "$(uname -m)" in
    x86_64 | amd64) echo x64 ;;
    aarch64 | arm64) echo arm64 ;;
    *) die "no agent binaries exist for this processor: $(uname -m)" "use an x86_64 or aarch64 machine" ;;
  esac
}

# debian_mirrors SUITE: sources.list lines for the suite, on the mirrors that this machine uses.
debian_mirrors() {
  local suite="$1" main security
  mirror() {
    # shellcheck disable=SC2016  # apt's own placeholders
    apt-get indextargets --format '$(ORIGIN)|$(LABEL)|$(REPO_URI)' 'Created-By: Packages' |
      awk -F'|' -v label="$1" '$1 == "Debian" && $2 == label { print $3; exit }'
  }
  main="$(mirror Debian)"
  if [ -z "$main" ]; then
    as_root apt-get -q update >&2 || true
    main="$(mirror Debian)"
  fi
  [ -n "$main" ] || die "this machine's apt sources name no Debian mirror, so no Debian image can be made" \
    "let the engine reach a registry, or load the image: docker load <image.tar"
  security="$(mirror Debian-Security)"
  echo "deb $main $suite main"
  case "$suite" in
    sid | unstable | testing) ;;
    *)
      echo "deb $main $suite-updates main"
      [ -z "$security" ] || echo "deb $security $suite-security main"
      ;;
  esac
}
