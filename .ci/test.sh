#!/usr/bin/env bash
# The test suite in two parts: first what may have company, in several processes; then what measures or minds the cache
# of an engine's builds, one after the other with nothing beside it. The second runs whatever becomes of the first, and
# the exit code is a failure if either failed. Options go to pytest, for both parts. Needs .venv (.ci/venv.sh).
set -Eeuo pipefail
root=$(cd -- "$(dirname -- "${BASH_SOURCE[0]}")/.." && pwd -P)
# shellcheck source-path=SCRIPTDIR source=lib.sh
. "$root/.ci/lib.sh"
cd "$root"
# One process more than processors, since many tests wait for other programs; not more than memory is sure to allow.
processes=$(($(getconf _NPROCESSORS_ONLN) + 1))
((processes <= 4)) || processes=4

# pytest's exit codes: 2 is Ctrl-C and 4 options that make no sense, which end the other part as well; with 5 no test of
# the part was asked for.
code=0
asked=0
for part in company alone; do
  options=(--part "$part")
  [[ $part == alone ]] || options+=(--numprocesses "$processes" --dist worksteal)
  say "the tests that $([[ $part == alone ]] && echo 'have to be alone' || echo 'may have company')"
  own=0
  .venv/bin/python -m pytest "${options[@]}" "$@" || own=$?
  case $own in
    0) asked=1 ;;
    2 | 4) exit "$own" ;;
    5) ;;
    *) asked=1 code=$own ;;
  esac
done
((asked)) || exit 5
exit "$code"
