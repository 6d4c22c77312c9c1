#!/usr/bin/env bash
# The test suite in two parts: first what may have company, in one process a core, then what builds on an engine or
# measures, one after the other with nothing beside it. Both run whatever becomes of the first, and the exit code is a
# failure if either failed. Options go to pytest, for both parts. Needs .venv (.ci/venv.sh).
set -Eeuo pipefail
root=$(cd -- "$(dirname -- "${BASH_SOURCE[0]}")/.." && pwd -P)
# shellcheck source-path=SCRIPTDIR source=lib.sh
. "$root/.ci/lib.sh"
cd "$root"
readonly NOTHING_SELECTED=5

codes=()
for part in company alone; do
  options=(--part "$part")
  # More processes take more memory than they save time.
  [[ $part == alone ]] || options+=(--numprocesses auto --maxprocesses 4 --dist worksteal)
  say "tests, part \"$part\""
  code=0
  "${PYTHON:-.venv/bin/python}" -m pytest "${options[@]}" "$@" || code=$?
  # Ctrl-C, and options that make no sense, end the other part as well.
  ((code != 2 && code != 4)) || exit "$code"
  ((code == NOTHING_SELECTED)) || codes+=("$code")
done
((${#codes[@]} > 0)) || exit "$NOTHING_SELECTED"
for code in "${codes[@]}"; do
  ((code == 0)) || exit "$code"
done
