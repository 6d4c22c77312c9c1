#!/usr/bin/env bash
# Brings tests/forge/github-openapi.json.gz up to date: fetches GitHub's description of its API (the npm package
# @octokit/openapi, in the version below or that of $1) and keeps what imgscan calls. Needs npm and .venv.
set -Eeuo pipefail
here=$(cd -- "$(dirname -- "${BASH_SOURCE[0]}")" && pwd -P)
# shellcheck source-path=SCRIPTDIR source=lib.sh
. "$here/lib.sh"

version=${1:-23.0.2}
home=$CACHE_DIR/octokit-openapi-$version
package=$home/node_modules/@octokit/openapi
if [[ ! -f $package/generated/api.github.com.json ]]; then
  command -v npm >/dev/null || die 3 "no npm here to fetch the description with" "install npm, then run this again"
  say "fetching the description of GitHub's API"
  mkdir -p "$home"
  log=$(npm install --silent --no-save --no-audit --no-fund --prefix "$home" "@octokit/openapi@$version" 2>&1) ||
    die 3 "npm could not fetch the description" "$log"
fi
tests=$here/../tests/forge
"${PYTHON:-$here/../.venv/bin/python}" "$tests/make_github_openapi.py" \
  "$package/generated/api.github.com.json" "$tests/github-openapi.json.gz"
cp "$package/LICENSE" "$tests/github-openapi.LICENSE"
