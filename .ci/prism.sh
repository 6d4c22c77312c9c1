#!/usr/bin/env bash
# Prints the program of Prism, which holds a server to an OpenAPI description from outside; it is fetched into the cache
# folder the first time. Needs Node 18.20 or later with npm.
set -Eeuo pipefail
here=$(cd -- "$(dirname -- "${BASH_SOURCE[0]}")" && pwd -P)
# shellcheck source-path=SCRIPTDIR source=lib.sh
. "$here/lib.sh"

# The last one that runs on Node 20.
version=5.14.2
home=$CACHE_DIR/prism-$version
program=$home/node_modules/.bin/prism
command -v node >/dev/null || die 3 "no Node here to run Prism with" "install Node 18.20 or later, then run this again"
if [[ ! -x $program ]]; then
  command -v npm >/dev/null || die 3 "no npm here to fetch Prism with" "install npm, then run this again"
  say "fetching Prism"
  mkdir -p "$home"
  log=$(npm install --silent --no-save --no-audit --no-fund --prefix "$home" "@stoplight/prism-cli@$version" 2>&1) ||
    die 3 "npm could not fetch Prism" "$log"
fi
printf '%s\n' "$program"
