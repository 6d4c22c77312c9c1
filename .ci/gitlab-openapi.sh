#!/usr/bin/env bash
# Compares tests/forge/gitlab-openapi.json, which is written by hand, with GitLab's own description of its API: a copy of
# doc/api/openapi/openapi_v3.yaml of GitLab's repository, named as $1. Needs .venv.
set -Eeuo pipefail
here=$(cd -- "$(dirname -- "${BASH_SOURCE[0]}")" && pwd -P)
# shellcheck source-path=SCRIPTDIR source=lib.sh
. "$here/lib.sh"

[[ -f ${1:-} ]] || die 2 "no copy of GitLab's description" "usage: .ci/gitlab-openapi.sh openapi_v3.yaml"
"${PYTHON:-$here/../.venv/bin/python}" "$here/../tests/forge/gitlab_published.py" "$1" ||
  die 1 "the two descriptions differ (see above)" "mend tests/forge/gitlab-openapi.json, and the fake with it"
say "the two descriptions agree"
