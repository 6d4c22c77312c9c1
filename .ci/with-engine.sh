#!/usr/bin/env bash
# Runs a command with DOCKER_HOST set to an engine (.ci/engine.sh) that has every base image of the samples, and with
# the secrets of the leaky sample planted. Needs .venv (.ci/venv.sh).
set -Eeuo pipefail
root=$(cd -- "$(dirname -- "${BASH_SOURCE[0]}")/.." && pwd -P)
DOCKER_HOST=$("$root/.ci/engine.sh")
export DOCKER_HOST
"$root/sample_images/bases/make.sh"
"$root/.venv/bin/python" "$root/sample_images/plant.py"
exec "$@"
