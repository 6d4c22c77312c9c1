#!/usr/bin/env bash
# Runs a command with DOCKER_HOST set to an engine (.ci/engine.sh) that has every base image of the samples, and with
# the secrets of the leaky sample planted. Needs .venv (.ci/venv.sh).
set -Eeuo pipefail
root=$(cd -- "$(dirname -- "${BASH_SOURCE[0]}")/.." && pwd -P)
# shellcheck source-path=SCRIPTDIR source=lib.sh
. "$root/.ci/lib.sh"
DOCKER_HOST=$("$root/.ci/engine.sh")
export DOCKER_HOST
# The engine tests build their smallest images of one static program, and read what other tools make of an image.
for tool in busybox:busybox-static podman:podman skopeo:skopeo; do
  if ! command -v "${tool%:*}" >/dev/null && is_root && is_debian_like; then
    say "installing ${tool#*:} for the engine tests"
    apt_install "${tool#*:}" || say "apt could not install ${tool#*:}; some engine tests will say so"
  fi
done
# What other tools write is read: key stores and archives.
for tool in openssl:openssl gpg:gnupg keytool:default-jre-headless zip:zip cpio:cpio zstd:zstd xz:xz-utils \
  bzip2:bzip2 ar:binutils mksquashfs:squashfs-tools git:git patch:patch; do
  if ! command -v "${tool%:*}" >/dev/null && is_root && is_debian_like; then
    say "installing ${tool#*:} for the tests"
    apt_install "${tool#*:}" || say "apt could not install ${tool#*:}; some tests will say so"
  fi
done
# The HTML report is looked at in a browser.
if ! command -v chromium >/dev/null && is_root && is_debian_like; then
  say "installing chromium for the tests of the HTML report"
  apt_install chromium || say "apt could not install chromium; the tests of the HTML report will say so"
fi
# The history is kept in a real PostgreSQL, which the tests start themselves: the package is to make and start none.
if ! compgen -G '/usr/lib/postgresql/*/bin/initdb' >/dev/null && is_root && is_debian_like; then
  say "installing postgresql for the tests of the history"
  if [[ ! -e /etc/postgresql-common/createcluster.conf ]]; then
    mkdir -p /etc/postgresql-common
    echo 'create_main_cluster = false' >/etc/postgresql-common/createcluster.conf
  fi
  apt_install postgresql || say "apt could not install postgresql; the tests of the history will say so"
fi
# The registry tests start a registry of their own on loopback, and sign their certificates and tokens themselves.
if ! { command -v docker-registry && command -v openssl; } >/dev/null && is_root && is_debian_like; then
  say "installing docker-registry and openssl for the registry tests"
  if apt_install docker-registry openssl; then
    # The package starts a service on every address of this machine; the tests need the program only.
    [[ ! -d /run/systemd/system ]] || systemctl disable --quiet --now docker-registry.service || true
  else
    say "apt could not install docker-registry and openssl; the registry tests will say so"
  fi
fi
# The compose files that the tests read are compared with what docker compose makes of them.
for suite in sid trixie; do
  SUITE=$suite "$root/.ci/compose.sh" >/dev/null
done
"$root/sample_images/bases/make.sh"
"$root/.venv/bin/python" "$root/sample_images/plant.py"
exec "$@"
