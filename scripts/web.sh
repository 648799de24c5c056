#!/usr/bin/env bash
# The web front: web.sh build|check|test. Installs its packages, pinned by the lock file, when they are not there.
set -euo pipefail
cd "$(dirname "$0")/../web"

if ! command -v npm >/dev/null; then
  echo "web.sh: npm was not found. Install Node.js 20 or later." >&2
  exit 1
fi
if ! cmp --silent package-lock.json node_modules/.strawboss-lock 2>/dev/null; then
  npm ci --no-audit --no-fund --loglevel=error
  cp package-lock.json node_modules/.strawboss-lock
fi
case "${1:-}" in
  build) npm run --silent build ;;
  check) npm run --silent check ;;
  test) npm test --silent ;;
  browser) npm run --silent test:browser ;;
  *) echo "usage: web.sh build|check|test|browser" >&2; exit 2 ;;
esac
