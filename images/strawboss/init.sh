#!/bin/sh
# Run once as root before the rest of compose.yaml: gives the volumes to the control plane's user, and makes the database's
# password at the first start. What is there already is left as it is.
set -eu

uid=${STRAWBOSS_UID:-1000}
gid=${STRAWBOSS_GID:-1000}
die() { echo "init: $1" >&2; exit 1; }
case "$uid$gid" in *[!0-9]*) die "STRAWBOSS_UID and STRAWBOSS_GID must be numbers (id -u, id -g), not $uid and $gid" ;; esac
[ "$uid" != 0 ] || die "STRAWBOSS_UID is 0: the control plane does not run as root. Set it to your own number (id -u) in .env"

give() { # NAME PATH: a volume to the control plane's user
  touch "$2/.writable" 2>/dev/null || die "the volume $1 cannot be written: it is mounted read-only, or its disk is full"
  rm -f "$2/.writable"
  # All of it only when the user changed: with many recordings that takes a while.
  if [ "$(stat -c %u:%g "$2")" != "$uid:$gid" ]; then
    chown -R "$uid:$gid" "$2"
  fi
  chmod 0700 "$2"
}
give data /var/lib/strawboss/data
give cache /var/lib/strawboss/cache
own="projects backlog"
if [ -n "${BACKUP_DIR:-}" ]; then
  own="$own backups"
else
  give backups /backups
fi
# The proxy to the engine (root, without a capability to overlook this) listens there; the control plane's group comes in.
chown "0:$gid" /run/docker-proxy
chmod 0750 /run/docker-proxy

secrets=/run/strawboss/secrets
umask 077
if [ ! -s "$secrets/postgres-password" ]; then
  password=$(od -An -N32 -tx1 /dev/urandom | tr -d ' \n')
  [ "${#password}" = 64 ] || die "this machine gives no random numbers"
  printf '%s' "$password" >"$secrets/.new"
  mv "$secrets/.new" "$secrets/postgres-password"
fi
# For this file's own server alone: another one is not to see the password.
printf 'postgres:*:*:strawboss:%s\n' "$(cat "$secrets/postgres-password")" >"$secrets/.new"
mv "$secrets/.new" "$secrets/pgpass"
chown "$uid:$gid" "$secrets/pgpass"
chmod 0711 "$secrets"

# Your own folders are looked at and never changed.
for folder in $own; do
  owner=$(stat -c %u "/$folder")
  if [ "$owner" != "$uid" ]; then
    variable=$(echo "${folder%s}" | tr '[:lower:]' '[:upper:]')_DIR
    [ "$folder" != projects ] || variable=PROJECTS_DIR
    if [ "$owner" = 0 ] && [ -z "$(ls -A "/$folder")" ]; then
      # Compose made it just now, since it was not there.
      chown "$uid:$gid" "/$folder"
    elif [ "$owner" = 0 ]; then
      echo "init: $variable belongs to root, and the control plane runs as $uid: if it cannot write there, give the folder to that user (chown -R $uid:$gid)" >&2
    else
      echo "init: $variable belongs to user $owner, and the control plane runs as $uid: if it cannot write there, set STRAWBOSS_UID to $owner in .env" >&2
    fi
  fi
done
