#!/usr/bin/env bash
# Fuzzes what parses hostile bytes, with atheris (libFuzzer): `.ci/fuzz.sh [TARGET...]`, every target without a name, each
# for FUZZ_SECONDS (60). What is found stays in .fuzz/: TARGET/ has the inputs that reach new code, TARGET-* those that
# fail, TARGET.log what was said. Exits with 1 if one fails. Needs .venv (.ci/venv.sh).
set -Eeuo pipefail
root=$(cd -- "$(dirname -- "${BASH_SOURCE[0]}")/.." && pwd -P)
# shellcheck source-path=SCRIPTDIR source=lib.sh
. "$root/.ci/lib.sh"
cd "$root"
seconds=${FUZZ_SECONDS:-60}
[[ $seconds =~ ^[1-9][0-9]{0,5}$ ]] || die 2 "FUZZ_SECONDS=$seconds is no number of seconds"

# atheris lies beside the virtual environment, not in it: nothing but this needs it.
site=.fuzz/site
key=$({ cat .ci/fuzz-requirements.lock; .venv/bin/python --version; } | cksum)
if [[ ! -f $site/.made || $(<"$site/.made") != "$key" ]]; then
  say "fetching atheris"
  rm -rf "$site"
  log=$(mktemp)
  trap 'rm -f -- "$log"' EXIT
  .venv/bin/python -m pip install --disable-pip-version-check --no-deps --require-hashes --target "$site" \
    -r .ci/fuzz-requirements.lock >"$log" 2>&1 || {
    tail -n 20 "$log" >&2
    die 2 "atheris could not be installed (above: the end of what was said)" "it has wheels for Linux and CPython 3.11 to 3.13"
  }
  printf '%s\n' "$key" >"$site/.made"
fi

(($# > 0)) || mapfile -t targets < <(PYTHONPATH=tests .venv/bin/python -c 'from fuzz.targets import TARGETS; print(*TARGETS, sep="\n")')
(($# == 0)) || targets=("$@")
code=0
for target in "${targets[@]}"; do
  say "$target for $seconds s"
  if PYTHONPATH=$site .venv/bin/python tests/fuzz/run.py "$target" .fuzz "-max_total_time=$seconds" >".fuzz/$target.log" 2>&1; then
    say "$(grep -o '^Done .*' ".fuzz/$target.log"), nothing failed"
  else
    grep -v '^#' ".fuzz/$target.log" | tail -n 30 >&2
    say "$target failed; the input is named above, the whole log is .fuzz/$target.log"
    code=1
  fi
done
exit "$code"
