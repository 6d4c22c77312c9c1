#!/usr/bin/env bash
# Unpacks programs of Debian sid into a folder, without installing them: by this system's own apt source with the
# suite's name replaced, and an apt configuration and lists of its own.
#
#   benchmarks/unpack_debian.sh FOLDER PACKAGE...
set -Eeuo pipefail
root=$(cd -- "$(dirname -- "${BASH_SOURCE[0]}")/.." && pwd -P)
# shellcheck source-path=SCRIPTDIR source=../.ci/lib.sh
. "$root/.ci/lib.sh"

(($# >= 2)) || die 2 "usage: ${0##*/} FOLDER PACKAGE..."
folder=$1
shift
is_debian_like || die 3 "these programs come from Debian packages, and this is no Debian"
work=$folder.new
trap 'rm -rf -- "$work"' EXIT
rm -rf "$work"
mkdir -p "$work"/{lists/partial,cache/archives/partial,debs,root}
apt_sources "$work/sources" sid || die 3 "no apt source of this system's own release was found"
apt=(apt-get -q -o Dir::Etc::sourcelist=/dev/null -o "Dir::Etc::sourceparts=$work/sources"
  -o Dir::Etc::preferences=/dev/null -o Dir::Etc::preferencesparts=/dev/null
  -o "Dir::State::lists=$work/lists" -o "Dir::Cache=$work/cache" -o APT::Sandbox::User=root)
if ! ("${apt[@]}" update && cd "$work/debs" && "${apt[@]}" download "$@") >"$work/log" 2>&1; then
  tail -n 10 "$work/log" >&2
  die 3 "apt could not fetch from Debian sid: $*"
fi
for file in "$work"/debs/*.deb; do
  dpkg-deb -x "$file" "$work/root"
  basename "$file" >>"$work/root/packages"
done
rm -rf "$folder"
mv "$work/root" "$folder"
