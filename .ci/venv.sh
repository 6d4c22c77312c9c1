#!/usr/bin/env bash
# Makes .venv from requirements.lock (every file of it pinned by hash) with imgscan itself in it, editable. Where the
# lock files and the interpreter are those of the last run it does nothing. Packages come from wherever this system's
# pip is set up to find them.
set -Eeuo pipefail
root=$(cd -- "$(dirname -- "${BASH_SOURCE[0]}")/.." && pwd -P)
# shellcheck source-path=SCRIPTDIR source=lib.sh
. "$root/.ci/lib.sh"
cd "$root"

venv=.venv
python=${PYTHON:-python3}
locks=(.ci/build-requirements.lock requirements.lock)

command -v "$python" >/dev/null || die 2 "no $python" "install Python 3.11 or newer, or name one: PYTHON=/path/to/python3.12"

fingerprint() { cksum | tr -d '\n'; }
# What the environment was made from: the locks, the interpreter, this folder. And what imgscan's own entry in it was.
packages_key=$({ cat "${locks[@]}"; command -v "$python"; pwd -P; } | fingerprint)
project_key=$(fingerprint <pyproject.toml)

# made KEY NAME: whether the environment says that NAME was made from KEY.
made() { [[ -x $venv/bin/python && -f $venv/.made-$2 && $(<"$venv/.made-$2") == "$1" ]]; }

if made "$packages_key" packages && made "$project_key" project; then
  exit 0
fi
exec 8<"${locks[1]}"
if command -v flock >/dev/null; then
  flock 8 # two runs at once: the second finds the work done
fi

"$python" -c 'import sys; sys.exit(sys.version_info < (3, 11))' ||
  die 2 "$("$python" --version) is too old: imgscan needs Python 3.11 or newer" "name another: PYTHON=/path/to/python3.12"
if ! "$python" -c 'import ensurepip, venv' 2>/dev/null; then
  { is_root && is_debian_like; } ||
    die 2 "this Python cannot make virtual environments" "on Debian and Ubuntu: sudo apt-get install python3-venv"
  say "installing python3-venv"
  apt_install python3-venv || die 2 "apt could not install python3-venv"
fi

log=$(mktemp)
trap 'rm -f -- "$log"' EXIT
pip_install() { "$venv/bin/python" -m pip install --disable-pip-version-check --no-deps "$@" >"$log" 2>&1; }
give_up() {
  tail -n 20 "$log" >&2
  die 2 "the virtual environment could not be made (above: the end of what was said)"
}

if ! made "$packages_key" packages; then
  say "making $venv from requirements.lock"
  # An environment of another interpreter, or half made, is not mended: it holds nothing but what the lock says.
  "$python" -m venv --clear "$venv" >"$log" 2>&1 || give_up
  for lock in "${locks[@]}"; do
    pip_install --require-hashes -r "$lock" || give_up
  done
  printf '%s\n' "$packages_key" >"$venv/.made-packages"
fi
if ! made "$project_key" project; then
  pip_install --no-build-isolation --editable . || give_up
  printf '%s\n' "$project_key" >"$venv/.made-project"
fi
say "$venv is ready ($("$venv/bin/python" --version))"
