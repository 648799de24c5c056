#!/usr/bin/env bash
# Makes sure that base images are in the engine, also where no container registry can be reached.
#
#   base-image.sh [NAME…]     default: debian:bookworm-slim
#
# For each name: there already, nothing is done. Else `docker pull`. Else a stand-in is made here and given the name:
#   debian:SUITE[-slim]       from Debian's packages, with mirrors taken from this machine's apt sources
#   rust:… node:… python:…    the same with git, a compiler and this machine's Rust or Node, or Debian's Python
# A stand-in carries the label strawboss.lab.standin. Where this machine trusts certificate authorities that Debian does
# not, a stand-in trusts them too, so that https works inside as it does outside.
#
# STRAWBOSS_PULL_TIMEOUT: seconds that one pull may take (default 300; an unreachable registry is noticed at once or
# after the engine's own 15 s).
set -euo pipefail
# shellcheck source-path=SCRIPTDIR
. "$(dirname "${BASH_SOURCE[0]}")/lib.sh"

WORK=''
cleanup() { [ -z "$WORK" ] || rm -rf "$WORK"; }
trap cleanup EXIT

# machine_bundle: the file of certificate authorities that this machine trusts.
machine_bundle() {
  local file
  for file in "${SSL_CERT_FILE:-}" /etc/ssl/certs/ca-certificates.crt; do
    if [ -n "$file" ] && [ -r "$file" ]; then
      echo "$file"
      return
    fi
  done
}

# extra_authorities FOLDER: writes each authority that this machine trusts and Mozilla's list (as packaged) does not
# as a .crt file of its own. Prints how many there are.
extra_authorities() {
  local folder="$1" bundle
  bundle="$(machine_bundle)"
  [ -n "$bundle" ] || { echo 0; return; }
  mkdir -p "$folder"
  awk -v folder="$folder" '
    /-----BEGIN CERTIFICATE-----/ { body = ""; inside = 1 }
    inside { line = $0; sub(/\r$/, "", line); body = body line "\n" }
    /-----END CERTIFICATE-----/ && inside {
      inside = 0
      if (packaged == 1) known[body] = 1
      else if (!(body in known)) {
        known[body] = 1
        file = sprintf("%s/machine-%02d.crt", folder, ++count)
        printf "%s", body > file
        close(file)
      }
    }
    END { print count + 0 }
  ' packaged=1 /usr/share/ca-certificates/mozilla/*.crt packaged=0 "$bundle"
}

# machine_rust ROOT: this machine's Rust into the tree, laid out as in the official image.
machine_rust() {
  local root="$1" sysroot name tool
  have rustc || die "a stand-in for rust: needs this machine's Rust, and there is none" "install it (rustup), or let the engine reach a registry"
  sysroot="$(cd / && rustc --print sysroot)"
  name="$(basename "$sysroot")"
  mkdir -p "$root/usr/local/rustup/toolchains/$name" "$root/usr/local/cargo/bin"
  # share/doc alone is larger than the rest.
  tar -C "$sysroot" --exclude=./share/doc --exclude=./share/man --exclude=./lib/rustlib/src --exclude=./lib/rustlib/rustc-src -c . |
    tar --no-same-owner -C "$root/usr/local/rustup/toolchains/$name" -x
  for tool in "$root/usr/local/rustup/toolchains/$name/bin"/*; do
    tool="$(basename "$tool")"
    ln -sf "../../rustup/toolchains/$name/bin/$tool" "$root/usr/local/cargo/bin/$tool"
  done
  # Anybody may write here in the official image too: a container's user is not known beforehand.
  chmod -R a+rwX "$root/usr/local/cargo"
  chmod -R a+rX "$root/usr/local/rustup"
}

# machine_node ROOT: this machine's Node and npm into the tree, laid out as in the official image.
machine_node() {
  local root="$1" npm
  if ! have node || ! have npm; then
    die "a stand-in for node: needs this machine's Node and npm, and they are lacking" "install them, or let the engine reach a registry"
  fi
  npm="$(dirname "$(dirname "$(readlink -f "$(command -v npm)")")")"
  [ -f "$npm/bin/npm-cli.js" ] || die "npm lies in no folder that can be copied: $npm" "install npm as a Node distribution does"
  mkdir -p "$root/usr/local/bin" "$root/usr/local/lib/node_modules"
  install -m 0755 "$(node -p process.execPath)" "$root/usr/local/bin/node"
  cp -rL "$npm" "$root/usr/local/lib/node_modules/npm"
  ln -sf ../lib/node_modules/npm/bin/npm-cli.js "$root/usr/local/bin/npm"
  ln -sf ../lib/node_modules/npm/bin/npx-cli.js "$root/usr/local/bin/npx"
  chmod -R a+rX "$root/usr/local/bin" "$root/usr/local/lib/node_modules"
}

# stand_in NAME: makes an image here and gives it the name.
stand_in() {
  local name="$1" family tag suite packages=ca-certificates authorities overlay sources
  local changes=(--change 'CMD ["bash"]' --change "LABEL strawboss.lab.standin=$name")
  family="${name%%:*}"
  tag="${name#*:}"
  suite=bookworm
  case "$tag" in *trixie*) suite=trixie ;; *bullseye*) suite=bullseye ;; *sid*) suite=sid ;; esac

  apt_install mmdebstrap debian-archive-keyring ca-certificates
  WORK="$(mktemp -d)"
  overlay="$WORK/overlay"
  mkdir -p "$overlay"

  case "$family" in
    debian) ;;
    rust)
      packages+=,git,curl,gcc,g++,libc6-dev,make,pkg-config,libssl-dev
      machine_rust "$overlay"
      changes+=(--change 'ENV RUSTUP_HOME=/usr/local/rustup CARGO_HOME=/usr/local/cargo PATH=/usr/local/cargo/bin:/usr/local/sbin:/usr/local/bin:/usr/sbin:/usr/bin:/sbin:/bin')
      ;;
    node)
      packages+=,git,curl,gcc,g++,libc6-dev,make,python3-minimal
      machine_node "$overlay"
      ;;
    python)
      packages+=,git,curl,gcc,libc6-dev,python3,python3-venv,python3-pip
      # The official images call it both ways.
      mkdir -p "$overlay/usr/local/bin"
      ln -s /usr/bin/python3 "$overlay/usr/local/bin/python"
      ;;
    *)
      die "$name cannot be pulled, and no stand-in is known for it" \
        "let the engine reach a registry, or load the image: docker load <image.tar"
      ;;
  esac

  authorities="$(extra_authorities "$overlay/usr/local/share/ca-certificates")"
  if [ "$authorities" -gt 0 ]; then
    say "$name: adding $authorities certificate authorities of this machine"
    # Programs that bring a list of their own have to be told to look at the system's.
    local bundle=/etc/ssl/certs/ca-certificates.crt
    changes+=(--change "ENV SSL_CERT_FILE=$bundle NODE_EXTRA_CA_CERTS=$bundle PIP_CERT=$bundle REQUESTS_CA_BUNDLE=$bundle CURL_CA_BUNDLE=$bundle GIT_SSL_CAINFO=$bundle CARGO_HTTP_CAINFO=$bundle")
  fi

  sources="$WORK/sources.list"
  debian_mirrors "$suite" >"$sources"

  local hooks=() options=() proxy='' excluded
  # What the -slim images leave out; copyright files stay.
  for excluded in '/usr/share/man/*' '/usr/share/locale/*' '/usr/share/doc/*' '/usr/share/info/*' '/usr/share/lintian/*'; do
    options+=("--dpkgopt=path-exclude=$excluded")
  done
  options+=('--dpkgopt=path-include=/usr/share/doc/*/copyright')
  eval "$(apt-config shell proxy Acquire::http::Proxy)"
  [ -z "$proxy" ] || options+=("--aptopt=Acquire::http::Proxy \"$proxy\"")
  [ -z "$(ls -A "$overlay")" ] || hooks+=("--customize-hook=tar -C '$overlay' --owner=0 --group=0 -c . | tar -C \"\$1\" --keep-directory-symlink -x")
  # /etc/ssl/certs is written by root, in the chroot, so that a later update-ca-certificates keeps them.
  # shellcheck disable=SC2016  # $1 is mmdebstrap's, in the hook
  [ "$authorities" = 0 ] || hooks+=('--customize-hook=chroot "$1" update-ca-certificates >/dev/null 2>&1')
  # Debian's pip refuses to install outside a virtual environment; the official image's does not.
  # shellcheck disable=SC2016
  [ "$family" != python ] || hooks+=('--customize-hook=rm -f "$1"/usr/lib/python3*/EXTERNALLY-MANAGED')

  say "$name: making it from Debian's packages ($suite)"
  as_root mmdebstrap --quiet --mode=root --variant=minbase --include="$packages" \
    "${options[@]}" "${hooks[@]}" "$suite" "$WORK/root.tar" "$sources" >&2 ||
    die "mmdebstrap could not make $name from these sources: $(tr '\n' ';' <"$sources")" \
      "see whether apt-get update works on this machine"
  docker import "${changes[@]}" "$WORK/root.tar" "$name" >/dev/null
  as_root rm -rf "$WORK"
  WORK=''
  say "$name: made here, as a stand-in"
}

ensure() {
  local name="$1" message
  case "$name" in
    -* | '' | *[!a-zA-Z0-9._:/@-]*) die "this is no image name: $name" ;;
    *:*) ;;
    *) name="$name:latest" ;;
  esac
  # One at a time for each name: two test suites may want the same image at once.
  exec 9>"$LAB/image-$(printf '%s' "$name" | tr -c 'a-zA-Z0-9._-' _).lock"
  flock -w 900 9 || die "another base-image.sh has been at $name for 15 minutes" "see what it does"
  docker image inspect "$name" >/dev/null 2>&1 && return 0
  say "$name: pulling"
  message="$(timeout "${STRAWBOSS_PULL_TIMEOUT:-300}" docker pull -q "$name" 2>&1)" && return 0
  say "$name: no pull (${message##*$'\n'})"
  stand_in "$name"
}

case "${1:-}" in -h | --help)
  sed -n '2,/^set -/{/^set -/d;s/^# \{0,1\}//;p}' "$0" >&2
  exit 0
  ;;
esac
mkdir -p "$LAB"
host="$("$(dirname "$0")/engine.sh" env)" || exit 1
eval "$host"
[ $# -gt 0 ] || set -- debian:bookworm-slim
for wanted in "$@"; do ensure "$wanted"; done
