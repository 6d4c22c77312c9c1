#!/usr/bin/env bash
# The compose plugin of a newer Debian release, unpacked into the cache folder, not installed: what the tests compare
# compose files, proofs and scripts with.
#
#   .ci/compose.sh                  prints the path of docker-compose 2.40 of sid, which runs by itself and as a plugin
#   SUITE=trixie .ci/compose.sh     docker-compose 2.26 of Debian 13
#   .ci/compose.sh config           prints a DOCKER_CONFIG folder in which `docker compose` finds it
set -Eeuo pipefail
here=$(cd -- "$(dirname -- "${BASH_SOURCE[0]}")" && pwd -P)
# shellcheck source-path=SCRIPTDIR source=lib.sh
. "$here/lib.sh"

suite=${SUITE:-sid}
case $suite in
  sid | trixie) ;;
  *) die 2 "SUITE=$suite: sid or trixie" ;;
esac
readonly PLUGIN=usr/libexec/docker/cli-plugins/docker-compose
home=$CACHE_DIR/compose/$suite

# Fetched with an apt configuration of its own: one source, this system's with the suite's name replaced.
unpack_plugin() {
  local work=$home.new apt
  say "fetching docker-compose of Debian $suite"
  rm -rf "$work"
  mkdir -p "$work"/{lists/partial,cache/archives/partial,debs}
  apt_sources "$work/sources" "$suite" || die 3 "no apt source of this system's own release was found"
  apt=(apt-get -q -o Dir::Etc::sourcelist=/dev/null -o "Dir::Etc::sourceparts=$work/sources"
    -o Dir::Etc::preferences=/dev/null -o Dir::Etc::preferencesparts=/dev/null
    -o "Dir::State::lists=$work/lists" -o "Dir::Cache=$work/cache" -o APT::Sandbox::User=root)
  if ! ("${apt[@]}" update && cd "$work/debs" && "${apt[@]}" download docker-compose) >"$work/log" 2>&1; then
    tail -n 10 "$work/log" >&2
    die 3 "apt could not fetch docker-compose of Debian $suite"
  fi
  dpkg-deb -x "$work"/debs/docker-compose_*.deb "$work/root"
  [[ -x $work/root/$PLUGIN ]] || die 3 "the package docker-compose of Debian $suite has no $PLUGIN"
  mkdir -p "$work/root/config/cli-plugins"
  ln -s "../../$PLUGIN" "$work/root/config/cli-plugins/docker-compose"
  rm -rf "$home"
  mv "$work/root" "$home"
  rm -rf "$work"
}

mkdir -p "$CACHE_DIR/compose"
exec 8>"$CACHE_DIR/compose/.$suite.lock"
flock 8
if [[ ! -x $home/$PLUGIN ]]; then
  is_debian_like || die 3 "the compose plugin is fetched from Debian's packages, on Debian or Ubuntu"
  unpack_plugin >&2
fi
case ${1-} in
  "") printf '%s\n' "$home/$PLUGIN" ;;
  config) printf '%s\n' "$home/config" ;;
  *) die 2 "usage: [SUITE=sid|trixie] ${0##*/} [config]" ;;
esac
