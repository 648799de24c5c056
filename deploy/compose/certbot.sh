#!/usr/bin/env bash
# Certificates of Let's Encrypt for the edge, by the service `certbot` of compose.yaml. docs/deploy/tls.md says when and how.
#
#   certbot.sh try   ADDRESS NAME…    asks the authority's test system; nothing is installed
#   certbot.sh issue ADDRESS NAME…    fetches a certificate for the names and hands it to the edge
#   certbot.sh renew                  fetches a new one when the old one ends within 30 days, and hands it to the edge
#   certbot.sh hand-over              hands the one that is there to the edge
#
# ADDRESS is the mail address that the authority may write to. The authority asks each NAME on port 80: the edge answers
# from the volume that certbot writes to. The edge goes on serving all the while, and open connections stay open.
#
# CERTBOT_SERVER: another authority that speaks ACME (default: Let's Encrypt).
set -euo pipefail
cd "$(dirname "${BASH_SOURCE[0]}")/../.."

say() { printf 'certbot.sh: %s\n' "$*" >&2; }
die() {
  say "error: $1"
  say "  do: $2"
  exit 1
}
usage() {
  sed -n '2,/^set -/{/^set -/d;s/^# \{0,1\}//;p}' "$0" >&2
  exit 2
}
certbot() { docker compose run --rm --no-deps certbot "$@"; }
hand_over() {
  docker compose run --rm --no-deps -T --entrypoint cat certbot \
    /etc/letsencrypt/live/strawboss/fullchain.pem /etc/letsencrypt/live/strawboss/privkey.pem |
    docker compose exec -T edge edge take ||
    die "the edge did not take the certificate (the reason stands above); it serves the one it had" "see that the edge runs: docker compose ps edge"
}

what=${1:-}
case "$what" in
  try | issue)
    [ $# -ge 3 ] || usage
    address=$2
    shift 2
    names=()
    for name in "$@"; do
      [[ "$name" =~ ^[A-Za-z0-9-]+(\.[A-Za-z0-9-]+)+$ ]] || die "no authority gives a certificate for this name: $name" "name hosts in the public DNS, such as crew.example.org"
      names+=(--domain "$name")
    done
    [ -n "$(docker compose ps --quiet --status running edge)" ] || die "the edge does not run, and the authority asks it" "docker compose --profile cpu up --detach --wait"
    more=()
    [ "$what" = issue ] || more+=(--dry-run)
    [ -z "${CERTBOT_SERVER:-}" ] || more+=(--server "$CERTBOT_SERVER")
    certbot certonly --non-interactive --agree-tos --email "$address" --cert-name strawboss --keep-until-expiring \
      --webroot --webroot-path /var/www/acme "${names[@]}" "${more[@]}" ||
      die "no certificate was given (certbot's words stand above)" "see that each name leads to this machine and that port 80 is open to the outside: EDGE_ADDRESS=0.0.0.0"
    [ "$what" = try ] || hand_over
    ;;
  renew)
    [ $# = 1 ] || usage
    certbot renew --non-interactive --cert-name strawboss ||
      die "the certificate was not renewed (certbot's words stand above); the old one is served" "certbot.sh try, with the names, shows why"
    hand_over
    ;;
  hand-over) hand_over ;;
  *) usage ;;
esac
