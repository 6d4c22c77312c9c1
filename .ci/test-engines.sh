#!/usr/bin/env bash
# The engine tests, on this machine's own engine and then on two private ones of version 28.5, one with the containerd
# image store and one with overlay2, which are stopped afterwards unless they ran before. The tests of forms take an
# image from each engine to the others (IMGSCAN_ENGINES), and on the containerd store they build with buildx too
# (IMGSCAN_BUILDX), which attests what it built. Options go to pytest.
set -Eeuo pipefail
here=$(cd -- "$(dirname -- "${BASH_SOURCE[0]}")" && pwd -P)
# shellcheck source-path=SCRIPTDIR source=lib.sh
. "$here/lib.sh"
cd "$here/.."
unset SUITE STORE # of a private engine: both are chosen here

stop_started() {
  local store
  for store in "${started[@]}"; do STORE=$store "$here/engine28.sh" stop; done
}

# run_on HOST OPTION...: the engine tests there, with all other engines at hand.
run_on() {
  local host=$1 others=()
  shift
  for other in "${engines[@]}"; do [[ $other == "$host" ]] || others+=("$other"); done
  say "engine tests on $host"
  DOCKER_HOST=$host IMGSCAN_ENGINES="${others[*]}" "$here/with-engine.sh" .venv/bin/python -m pytest -m engine "$@"
}

engines=("$("$here/engine.sh")")
started=()
trap stop_started EXIT
for store in containerd overlay2; do
  STORE=$store "$here/engine28.sh" status >/dev/null || started+=("$store")
  engines+=("$(STORE=$store "$here/engine28.sh" start)")
done
code=0
run_on "${engines[0]}" "$@" || code=$?
IMGSCAN_BUILDX=$CACHE_DIR/engine-sid/usr/libexec/docker/cli-plugins/docker-buildx run_on "${engines[1]}" "$@" || code=$?
run_on "${engines[2]}" "$@" || code=$?
exit "$code"
