#!/usr/bin/env bash
# From nothing to a report: the virtual environment, an engine, then `imgscan build-report`.
#
#   .ci/report.sh                       the sample antone-leaky; succeeds although its verdict is NO-GO, since it must be
#   .ci/report.sh CONTEXT [OPTION...]   a project of yours; exits with imgscan's own code, which `make` turns into 2
#
# The report goes to the terminal and to build-report/report.json and report.md beside the Makefile.
set -Eeuo pipefail
root=$(cd -- "$(dirname -- "${BASH_SOURCE[0]}")/.." && pwd -P)
# shellcheck source-path=SCRIPTDIR source=lib.sh
. "$root/.ci/lib.sh"
samples=$root/sample_images

if [[ ${1-} == -* ]]; then
  context= # options only: they are for the sample
else
  context=${1-}
  shift $(($# > 0))
fi

"$root/.ci/venv.sh"
DOCKER_HOST=$("$root/.ci/engine.sh")
export DOCKER_HOST

target=${context:-$samples/antone-leaky}
case $(cd -- "$target" 2>/dev/null && pwd -P)/ in
  "$samples"/antone*/*) "$samples/bases/make.sh" node ;;
  "$samples"/*/*) "$samples/bases/make.sh" ;;
esac
case $(cd -- "$target" 2>/dev/null && pwd -P) in
  "$samples/antone-leaky") "$root/.venv/bin/python" "$samples/plant.py" ;;
esac

mkdir -p "$root/build-report"
code=0
"$root/.venv/bin/imgscan" build-report "$target" --format table --format "json=$root/build-report/report.json" \
  --format "markdown=$root/build-report/report.md" "$@" || code=$?
case $code in
  0 | 1) say "also written: build-report/report.json, build-report/report.md" ;;
  4) say "the image did not build; what is known of it: build-report/report.json, build-report/report.md" ;;
esac
if [[ -z $context && $code == 1 ]]; then
  say "NO-GO is the right verdict for this sample (imgscan itself exited 1), so this is a success"
  exit 0
fi
exit "$code"
