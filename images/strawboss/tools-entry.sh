#!/usr/bin/env bash
# Becomes the owner of the sources before anything runs, so that every file that a build or test writes is theirs, whoever
# they are. Volumes that still belong to somebody else are handed over first.
set -euo pipefail

uid=$(stat --format=%u /src)
gid=$(stat --format=%g /src)
if [ "$(id -u)" != 0 ] || [ "$uid" = 0 ]; then
  exec "$@"
fi
# PostgreSQL and git ask for the name of who they run as.
getent group "$gid" >/dev/null || echo "dev:x:$gid:" >>/etc/group
getent passwd "$uid" >/dev/null || echo "dev:x:$uid:$gid::$HOME:/bin/bash" >>/etc/passwd
for folder in /src/target /src/web/node_modules "$HOME"; do
  [ "$(stat --format=%u "$folder")" = "$uid" ] || chown --recursive "$uid:$gid" "$folder"
done
exec setpriv --reuid="$uid" --regid="$gid" --clear-groups --inh-caps=-all --bounding-set=-all --no-new-privs -- "$@"
