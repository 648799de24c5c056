#!/bin/sh
# Starts nginx with TLS: with the certificate that is mounted, or with one of its own, made at the first start. Looks again
# and again whether the certificate was renewed, and takes a good one over without dropping a connection.
#
#   edge           what the container runs
#   edge take      inside a container that runs: reads a chain and its key (PEM) from standard input, and serves them from now
#                  on; what does not fit together or has expired is refused, and nothing changes
set -eu

say() { printf '{"time":"%s","service":"edge","level":"%s","message":"%s"}\n' "$(date -u +%Y-%m-%dT%H:%M:%SZ)" "$1" "$2" >&2; }
die() { say error "$1"; exit 1; }

folder=/etc/edge/certificates
: "${EDGE_NAMES:=localhost}"
: "${EDGE_UPSTREAM:=http://strawboss:7070}"
: "${EDGE_RESOLVER:=127.0.0.11}"
: "${EDGE_BODY_MAX:=32m}"
: "${EDGE_HTTPS_PORT:=443}"
: "${EDGE_HSTS:=off}"
: "${EDGE_METRICS_OUTSIDE:=off}"
: "${EDGE_CHECK_SECONDS:=60}"
: "${EDGE_REMIND_SECONDS:=86400}"
: "${WHISPER_URL:=}"
: "${EDGE_CERTIFICATE:=$folder/fullchain.pem}"
: "${EDGE_CERTIFICATE_KEY:=$folder/privkey.pem}"

# What is filled into the configuration must be what it says it is.
wants() { # NAME VALUE PATTERN WHAT
  printf '%s\n' "$2" | grep -Eq "^($3)\$" || die "$1 must be $4, not: $2"
}
wants EDGE_NAMES "$EDGE_NAMES" '[A-Za-z0-9._:-]+( [A-Za-z0-9._:-]+)*' "host names or addresses with blanks between them"
wants EDGE_UPSTREAM "$EDGE_UPSTREAM" 'https?://[A-Za-z0-9._-]+(:[0-9]+)?' "an address like http://strawboss:7070"
wants EDGE_RESOLVER "$EDGE_RESOLVER" '[0-9a-fA-F.:]+' "an address"
wants EDGE_BODY_MAX "$EDGE_BODY_MAX" '[0-9]+[kmg]?' "a size like 32m"
wants EDGE_HTTPS_PORT "$EDGE_HTTPS_PORT" '[0-9]{1,5}' "a port"
wants EDGE_HSTS "$EDGE_HSTS" 'off|[0-9]+' "off or a number of seconds"
wants EDGE_METRICS_OUTSIDE "$EDGE_METRICS_OUTSIDE" 'on|off' "on or off"
wants EDGE_CHECK_SECONDS "$EDGE_CHECK_SECONDS" '[1-9][0-9]{0,4}' "a number of seconds"
wants EDGE_REMIND_SECONDS "$EDGE_REMIND_SECONDS" '[1-9][0-9]{0,6}' "a number of seconds"
wants WHISPER_URL "$WHISPER_URL" '|https?://[A-Za-z0-9._-]+(:[0-9]+)?' "an address like http://10.0.0.5:8000"

# Why the certificate cannot be used, or nothing.
fault() {
  [ -r "$EDGE_CERTIFICATE" ] || { echo "there is no certificate that can be read at $EDGE_CERTIFICATE"; return; }
  [ -r "$EDGE_CERTIFICATE_KEY" ] || { echo "there is no key that can be read at $EDGE_CERTIFICATE_KEY"; return; }
  certificate=$(openssl x509 -in "$EDGE_CERTIFICATE" -noout -pubkey 2>/dev/null) || { echo "$EDGE_CERTIFICATE is no certificate"; return; }
  key=$(openssl pkey -in "$EDGE_CERTIFICATE_KEY" -pubout 2>/dev/null) || { echo "$EDGE_CERTIFICATE_KEY is no key, or has a passphrase"; return; }
  [ "$certificate" = "$key" ] || echo "the key $EDGE_CERTIFICATE_KEY does not belong to the certificate $EDGE_CERTIFICATE"
}
# Says when it ends, if that is soon or past: browsers refuse it then, and an expired one is still better than no edge.
age() {
  ends=$(openssl x509 -in "$EDGE_CERTIFICATE" -noout -enddate | cut -d= -f2)
  if ! openssl x509 -in "$EDGE_CERTIFICATE" -noout -checkend 0 >/dev/null; then
    say error "the certificate has expired ($ends): browsers refuse it; renew it"
  elif ! openssl x509 -in "$EDGE_CERTIFICATE" -noout -checkend 1209600 >/dev/null; then
    say warning "the certificate ends soon ($ends): renew it"
  fi
}
ours() { [ "$EDGE_CERTIFICATE" = "$folder/fullchain.pem" ] && { [ ! -e "$EDGE_CERTIFICATE" ] || [ -e "$folder/self-signed" ]; }; }
make_own() {
  names=''
  for name in $EDGE_NAMES localhost 127.0.0.1; do
    case "$name" in *:* | *[0-9].[0-9]*.[0-9]*.[0-9]*) kind=IP ;; *) kind=DNS ;; esac
    case ",$names," in *",$kind:$name,"*) ;; *) names="$names${names:+,}$kind:$name" ;; esac
  done
  say info "making a self-signed certificate for $EDGE_NAMES"
  [ -w "$folder" ] || die "the folder of certificates cannot be written: it belongs to $(stat -c %U:%G "$folder"); let www-data (33:33) have the volume"
  umask 077
  openssl req -x509 -newkey ec -pkeyopt ec_paramgen_curve:P-256 -nodes -days 825 -subj "/CN=${EDGE_NAMES%% *}" \
    -addext "subjectAltName=$names" -addext basicConstraints=critical,CA:FALSE -addext extendedKeyUsage=serverAuth \
    -keyout "$folder/.key.new" -out "$folder/.certificate.new" 2>/dev/null || die "openssl could not make a certificate"
  mv "$folder/.key.new" "$EDGE_CERTIFICATE_KEY"
  mv "$folder/.certificate.new" "$EDGE_CERTIFICATE"
  printf '%s\n' "$EDGE_NAMES" >"$folder/self-signed"
}

# What `edge take` does. Both files are new and whole before the first takes its place.
take() {
  [ "$EDGE_CERTIFICATE $EDGE_CERTIFICATE_KEY" = "$folder/fullchain.pem $folder/privkey.pem" ] ||
    refuse "EDGE_CERTIFICATE and EDGE_CERTIFICATE_KEY name files of your own: replace those, and they are taken over within $EDGE_CHECK_SECONDS s"
  [ -w "$folder" ] || refuse "the folder of certificates cannot be written: it belongs to $(stat -c %U:%G "$folder"); let www-data (33:33) have the volume"
  umask 077
  pem=$(head -c 262144)
  EDGE_CERTIFICATE=$folder/.certificate.new EDGE_CERTIFICATE_KEY=$folder/.key.new
  printf '%s\n' "$pem" | sed -n '/-----BEGIN CERTIFICATE-----/,/-----END CERTIFICATE-----/p' >"$EDGE_CERTIFICATE"
  printf '%s\n' "$pem" | sed -n '/-----BEGIN .*PRIVATE KEY-----/,/-----END .*PRIVATE KEY-----/p' >"$EDGE_CERTIFICATE_KEY"
  [ -s "$EDGE_CERTIFICATE" ] || refuse "there is no certificate in what came in; send the chain and the key: cat fullchain.pem privkey.pem | …"
  [ -s "$EDGE_CERTIFICATE_KEY" ] || refuse "there is no key in what came in; send the chain and the key: cat fullchain.pem privkey.pem | …"
  why=$(fault | sed "s#$folder/.certificate.new#that came in#; s#$folder/.key.new#that came in#")
  [ -z "$why" ] || refuse "$why"
  openssl x509 -in "$EDGE_CERTIFICATE" -noout -checkend 0 >/dev/null ||
    refuse "it has expired ($(openssl x509 -in "$EDGE_CERTIFICATE" -noout -enddate | cut -d= -f2))"
  for name in $EDGE_NAMES; do
    openssl x509 -in "$EDGE_CERTIFICATE" -noout -checkhost "$name" -checkip "$name" 2>/dev/null | grep -q 'does match' ||
      say warning "the certificate does not name $name, which is one of EDGE_NAMES: browsers that come by it refuse it"
  done
  if cmp -s "$EDGE_CERTIFICATE" "$folder/fullchain.pem" && cmp -s "$EDGE_CERTIFICATE_KEY" "$folder/privkey.pem"; then
    rm -f "$EDGE_CERTIFICATE" "$EDGE_CERTIFICATE_KEY"
    say info "this certificate is in use already"
    return
  fi
  rm -f "$folder/self-signed"
  mv "$EDGE_CERTIFICATE_KEY" "$folder/privkey.pem"
  mv "$EDGE_CERTIFICATE" "$folder/fullchain.pem"
  kill -HUP 1
  say info "a new certificate is in use"
}
refuse() { rm -f "$folder/.certificate.new" "$folder/.key.new"; die "the certificate is not taken: $1"; }

case "${1:-}" in
  '') ;;
  take) take; exit 0 ;;
  *) die "there is nothing that is called $1; it runs, or takes a certificate: edge take" ;;
esac

if ours; then
  # A name that was added, an end that is near or a pair that does not fit: an own one is simply made again.
  if [ -n "$(fault)" ] || [ "$(cat "$folder/self-signed" 2>/dev/null)" != "$EDGE_NAMES" ] ||
    ! openssl x509 -in "$EDGE_CERTIFICATE" -noout -checkend 2592000 >/dev/null 2>&1; then
    make_own
  fi
fi
why=$(fault)
[ -z "$why" ] || die "$why. Correct EDGE_CERTIFICATE and EDGE_CERTIFICATE_KEY, or empty the volume of certificates: a self-signed one is made then"
age

EDGE_HTTPS_SUFFIX=''
[ "$EDGE_HTTPS_PORT" = 443 ] || EDGE_HTTPS_SUFFIX=":$EDGE_HTTPS_PORT"
EDGE_HSTS_HEADER=''
# shellcheck disable=SC2089,SC2090  # the quotes are nginx's
[ "$EDGE_HSTS" = off ] || EDGE_HSTS_HEADER="add_header Strict-Transport-Security \"max-age=$EDGE_HSTS\" always;"
EDGE_METRICS='return 404;'
# shellcheck disable=SC2016  # nginx's own variable
[ "$EDGE_METRICS_OUTSIDE" = off ] || EDGE_METRICS='proxy_pass $strawboss;'
# shellcheck disable=SC2016
if [ -n "$WHISPER_URL" ]; then
  # It is for those who are signed in here, and who that is is nobody's business there; what it answers is no page of ours. A
  # location with headers of its own inherits none.
  EDGE_WHISPER="set \$whisper $WHISPER_URL; auth_request /edge/who; error_page 401 = @nobody; error_page 502 504 = @no_whisper;
            ${EDGE_HSTS_HEADER}
            add_header Content-Security-Policy \"sandbox; default-src 'none'\" always; add_header X-Content-Type-Options nosniff always;
            rewrite ^/api/whisper/(.*)\$ /\$1 break; proxy_read_timeout 10m;
            proxy_set_header Host \$proxy_host; proxy_set_header Cookie ''; proxy_set_header Authorization '';
            proxy_set_header X-Forwarded-For \$remote_addr; proxy_set_header X-Forwarded-Proto \$scheme; proxy_set_header X-Request-Id \$request_id;
            proxy_set_header Upgrade \$http_upgrade; proxy_set_header Connection \$connection_upgrade; proxy_pass \$whisper;"
else
  EDGE_WHISPER='error_page 502 = @no_whisper; return 502;'
fi
# shellcheck disable=SC2090
export EDGE_UPSTREAM EDGE_RESOLVER EDGE_BODY_MAX EDGE_CERTIFICATE EDGE_CERTIFICATE_KEY EDGE_HTTPS_SUFFIX EDGE_HSTS_HEADER EDGE_METRICS EDGE_WHISPER
# shellcheck disable=SC2016  # names, not values
envsubst '${EDGE_UPSTREAM} ${EDGE_RESOLVER} ${EDGE_BODY_MAX} ${EDGE_CERTIFICATE} ${EDGE_CERTIFICATE_KEY} ${EDGE_HTTPS_SUFFIX} ${EDGE_HSTS_HEADER} ${EDGE_METRICS} ${EDGE_WHISPER}' \
  </etc/edge/edge.conf.template >/tmp/edge.conf
nginx -q -t -c /tmp/edge.conf || die "nginx refuses its configuration (its words stand above)"

# Every EDGE_REMIND_SECONDS: one of our own that ends within a month is made again, which the next look takes over; of another it is said.
look_after() {
  if ours && ! openssl x509 -in "$EDGE_CERTIFICATE" -noout -checkend 2592000 >/dev/null 2>&1; then
    (make_own) || true
  else
    age
  fi
}
print_of() { cat "$EDGE_CERTIFICATE" "$EDGE_CERTIFICATE_KEY" 2>/dev/null | sha256sum; }
renewals() {
  known=$(print_of)
  aged=$(date +%s)
  while sleep "$EDGE_CHECK_SECONDS"; do
    now=$(print_of)
    if [ "$now" = "$known" ]; then
      [ $(($(date +%s) - aged)) -ge "$EDGE_REMIND_SECONDS" ] || continue
      aged=$(date +%s)
      look_after
      continue
    fi
    known=$now
    aged=$(date +%s)
    why=$(fault)
    if [ -n "$why" ]; then
      say error "the new certificate is not taken: $why"
    elif kill -HUP "$1" 2>/dev/null; then
      say info "a new certificate is in use"
      age
    fi
  done
}
# The shell becomes nginx: its pid is ours.
renewals $$ &
say info "nginx starts for $EDGE_NAMES"
exec nginx -c /tmp/edge.conf -g 'daemon off;'
