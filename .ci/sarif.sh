#!/usr/bin/env bash
# Prints the folder of the SARIF validator (Microsoft's multitool, an npm package with a program and the schema in it);
# it is fetched into the cache folder the first time. Needs npm.
set -Eeuo pipefail
here=$(cd -- "$(dirname -- "${BASH_SOURCE[0]}")" && pwd -P)
# shellcheck source-path=SCRIPTDIR source=lib.sh
. "$here/lib.sh"

version=5.7.0
case $(uname -s) in
  Linux) system=linux ;;
  Darwin) system=darwin ;;
  *) die 3 "the validator has no build for $(uname -s)" ;;
esac
home=$CACHE_DIR/sarif-$version
tool=$home/node_modules/@microsoft/sarif-multitool-$system
if [[ ! -x $tool/Sarif.Multitool ]]; then
  command -v npm >/dev/null || die 3 "no npm here to fetch the SARIF validator with" "install npm, then run this again"
  say "fetching the SARIF validator"
  mkdir -p "$home"
  log=$(npm install --silent --no-save --no-audit --no-fund --prefix "$home" \
    "@microsoft/sarif-multitool-$system@$version" 2>&1) || die 3 "npm could not fetch the SARIF validator" "$log"
fi
printf '%s\n' "$tool"
