#!/usr/bin/env bash
# Makes local stand-ins for the public base images of the samples, in the engine of DOCKER_HOST, where that engine
# neither has nor can pull them: Debian packages by the system's own apt sources, Node and pnpm by npm. Where all are
# there it does nothing, in under a second. Needs .venv (.ci/venv.sh).
#
#   sample_images/bases/make.sh [debian|node|python|go|postgres]...        (default: all)
set -Eeuo pipefail
here=$(cd -- "$(dirname -- "${BASH_SOURCE[0]}")" && pwd -P)
root=$(cd -- "$here/../.." && pwd -P)
# shellcheck source-path=SCRIPTDIR source=../../.ci/lib.sh
. "$root/.ci/lib.sh"

python=$root/.venv/bin/python
[[ -x $python ]] || die 2 "no $python" "make it with: .ci/venv.sh"

# The certificates this host trusts: behind a proxy of its own, an install inside a build must trust it as well.
ca_bundle() {
  local file
  for file in "${SSL_CERT_FILE-}" "${REQUESTS_CA_BUNDLE-}" "${NODE_EXTRA_CA_CERTS-}" \
    /etc/ssl/certs/ca-certificates.crt /etc/pki/tls/certs/ca-bundle.crt; do
    if [[ -n $file && -r $file ]]; then
      printf '%s' "$file"
      return
    fi
  done
}
IMGSCAN_CA_BUNDLE=$(ca_bundle)
export IMGSCAN_CA_BUNDLE

stand_ins() { "$python" -B "$here/stand_ins.py" "$@"; }

missing=$(stand_ins plan "$@")
[[ -n $missing ]] || exit 0

say "no registry to pull from; making local base images:" "${missing//$'\n'/, }"
mkdir -p "$CACHE_DIR/bases"
exec 8>"$CACHE_DIR/bases/.lock"
flock 8 # two runs at once would make everything twice
missing=$(stand_ins plan "$@")
work=$(mktemp -d "${TMPDIR:-/tmp}/imgscan-bases.XXXXXX")
trap 'rm -rf -- "$work"' EXIT

# Each of these defines make_NAME; a stand-in without one is its Dockerfile and nothing else.
for name in debian node python; do
  # shellcheck source=/dev/null
  . "$here/$name/prepare.sh"
done

for name in $missing; do
  if declare -F "make_$name" >/dev/null; then
    "make_$name"
  else
    stand_ins build "$name" "$here/$name"
  fi
  say "made imgscan-base/$name"
done
stand_ins plan "$@" >/dev/null
