#!/usr/bin/env bash
# Refreshes the lock files: the newest versions that pyproject.toml allows, for every platform, each file by its hash.
# Options go to uv: `.ci/lock.sh --upgrade-package click` moves one package only.
set -Eeuo pipefail
# shellcheck source-path=SCRIPTDIR source=lib.sh
. "$(dirname -- "${BASH_SOURCE[0]}")/lib.sh"
cd "$(dirname -- "${BASH_SOURCE[0]}")/.."
command -v uv >/dev/null || die 2 "uv is missing" "install it: pipx install uv"
(($# > 0)) || set -- --upgrade
# No address of a package index: each machine's own pip configuration says where packages come from.
options=(--quiet --universal --generate-hashes --no-emit-index-url --no-annotate --no-header "$@")
uv pip compile "${options[@]}" pyproject.toml --group dev --output-file requirements.lock
uv pip compile "${options[@]}" pyproject.toml --extra fast --extra postgresql --output-file .ci/runtime-requirements.lock
printf 'hatchling\neditables\n' | uv pip compile "${options[@]}" - --output-file .ci/build-requirements.lock
# The last version with a wheel for Python 3.11.
printf 'atheris<3.1\n' | uv pip compile "${options[@]}" --python-version 3.11 - --output-file .ci/fuzz-requirements.lock
say "refreshed requirements.lock, .ci/runtime-requirements.lock, .ci/build-requirements.lock and .ci/fuzz-requirements.lock"
