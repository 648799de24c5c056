#!/usr/bin/env bash
# For the process runner: prints the YAML line that lets the sandbox's user find cargo and rustc, if it needs one.
#
#   toolchain.sh FOLDER    a folder for the links, on the same disk if possible
#
# As root, sandboxes run as another user, who cannot enter root's home, where rustup keeps its toolchains. Hard links to the
# toolchain's files cost no space and give that user nothing but the toolchain.
set -euo pipefail

sysroot=$(rustc --print sysroot)
if [ "$(id -u)" -ne 0 ]; then
  echo "env: { PATH: \"$sysroot/bin:$PATH\" }"
  exit
fi
reachable() {
  local folder=$1
  while [ "$folder" != / ]; do
    [ $((0$(stat -c %a "$folder") & 1)) -eq 1 ] || return 1
    folder=$(dirname "$folder")
  done
}
if reachable "$sysroot"; then
  links=$sysroot
else
  links="$1/toolchain"
  reachable "$1" || links=/var/lib/strawboss/toolchain
  if [ ! -x "$links/bin/cargo" ] || [ "$(cat "$links/.from" 2>/dev/null)" != "$sysroot" ]; then
    rm -rf "$links"
    mkdir -p "$links"
    chmod 755 "$links"
    for part in bin lib; do
      cp -al "$sysroot/$part" "$links/" 2>/dev/null || { rm -rf "${links:?}/$part"; cp -a "$sysroot/$part" "$links/"; }
    done
    echo "$sysroot" >"$links/.from"
  fi
fi
echo "env: { PATH: \"$links/bin:/usr/local/bin:/usr/bin:/bin\" }"
