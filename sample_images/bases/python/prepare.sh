# shellcheck shell=bash disable=SC2154  # here, work and python are make.sh's
# Sourced by ../make.sh: the python stand-in asks the package index that the host asks.

make_python() {
  local folder=$work/python index
  mkdir -p "$folder/etc"
  cp "$here/python/Dockerfile" "$folder/"
  printf '[global]\ndisable-pip-version-check = true\nroot-user-action = ignore\n' >"$folder/etc/pip.conf"
  index=$("$python" -m pip config get global.index-url 2>/dev/null || true)
  if [[ $index == http* && $index != *@* ]]; then
    printf 'index-url = %s\n' "$index" >>"$folder/etc/pip.conf"
  fi
  stand_ins build python "$folder"
}
