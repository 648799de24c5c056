#!/bin/sh
# What of certbot deploy/compose/certbot.sh uses: it writes a challenge, and a certificate of an authority of its own for the
# names, anew each time. Arguments that it does not know are refused, so that a slip is seen.
set -eu
live=/etc/letsencrypt/live/strawboss
what=$1
shift
dry='' names=''
while [ $# -gt 0 ]; do
  case "$1" in
    --non-interactive | --agree-tos | --keep-until-expiring) ;;
    --dry-run) dry=yes ;;
    --webroot) ;;
    --webroot-path) [ "$2" = /var/www/acme ]; shift ;;
    --cert-name) [ "$2" = strawboss ]; shift ;;
    --email) shift ;;
    --domain) names="$names $2"; shift ;;
    *) echo "certbot: error: unrecognized arguments: $1" >&2; exit 2 ;;
  esac
  shift
done
case "$what" in
  certonly)
    umask 022
    mkdir -p /var/www/acme/.well-known/acme-challenge
    echo "token for$names" >/var/www/acme/.well-known/acme-challenge/token
    [ -z "$dry" ] || exit 0
    mkdir -p "$live"
    echo "$names" >"$live/names"
    ;;
  renew) names=$(cat "$live/names") ;;
  *) exit 2 ;;
esac
alternatives=''
for name in $names; do alternatives="$alternatives${alternatives:+,}DNS:$name"; done
umask 077
openssl req -x509 -newkey ec -pkeyopt ec_paramgen_curve:P-256 -nodes -days 90 -subj "/CN=${names##* }/O=Stand-in authority" \
  -addext "subjectAltName=$alternatives" -keyout "$live/privkey.pem" -out "$live/fullchain.pem" 2>/dev/null
