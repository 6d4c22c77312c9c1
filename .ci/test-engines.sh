#!/usr/bin/env bash
# The engine tests, on this machine's own engine and then on a private Engine 28.5 with the containerd image store,
# which is stopped afterwards unless it ran before. Options go to pytest.
set -Eeuo pipefail
here=$(cd -- "$(dirname -- "${BASH_SOURCE[0]}")" && pwd -P)
# shellcheck source-path=SCRIPTDIR source=lib.sh
. "$here/lib.sh"
cd "$here/.."

run_on() {
  say "engine tests on $1"
  DOCKER_HOST=$1 "$here/with-engine.sh" .venv/bin/python -m pytest -m engine "${@:2}"
}

own=$("$here/engine.sh")
was_running=false
if [[ -S /run/imgscan-engine28/docker.sock ]] && DOCKER_HOST=unix:///run/imgscan-engine28/docker.sock "$here/engine.sh" >/dev/null 2>&1; then
  was_running=true
fi
code=0
run_on "$own" "$@" || code=$?
$was_running || trap '"$here/engine28.sh" stop' EXIT
private=$("$here/engine28.sh" start)
run_on "$private" "$@" || code=$?
exit "$code"
