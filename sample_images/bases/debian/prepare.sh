# shellcheck shell=bash disable=SC2154  # here, work and python are make.sh's
# Sourced by ../make.sh: the root filesystem under every stand-in.

# debian_root FILE: a root filesystem as small as the public slim images, with apt and the host's certificates.
debian_root() {
  local file=$1 codename path
  local options=(--variant=apt '--include=ca-certificates,libstdc++6,adduser' --aptopt='Acquire::Languages "none"')
  is_debian_like || die 3 "this system has no apt, which the local base images are made with" \
    "give the engine a registry to pull from, or run this on Debian or Ubuntu"
  if ! command -v mmdebstrap >/dev/null; then
    is_root || die 3 "mmdebstrap is missing" "install it: sudo apt-get install mmdebstrap"
    say "installing mmdebstrap"
    apt_install mmdebstrap || die 3 "apt could not install mmdebstrap"
  fi
  apt_sources "$work/sources" || die 3 "no apt source of this system's own release was found"
  ! grep -qrE '//[^/ ]+@' "$work/sources" ||
    die 3 "an apt source carries a password in its address, which must not get into an image"
  for path in /usr/share/doc /usr/share/man /usr/share/info /usr/share/locale /usr/share/lintian; do
    options+=("--dpkgopt=path-exclude=$path/*")
  done
  if [[ -n $IMGSCAN_CA_BUNDLE ]]; then
    options+=("--customize-hook=upload '$IMGSCAN_CA_BUNDLE' /etc/ssl/certs/ca-certificates.crt")
  fi
  options+=("--customize-hook=rm -rf \"\$1\"/var/log/* \"\$1\"/var/cache/* \"\$1\"/etc/*- \"\$1\"/var/lib/dpkg/*-old")
  codename=$(os_release VERSION_CODENAME)
  mmdebstrap --quiet "${options[@]}" "$codename" "$file" "$work"/sources/system.* 2>"$work/mmdebstrap.log" || {
    tail -n 15 "$work/mmdebstrap.log" >&2
    die 3 "mmdebstrap could not make the root filesystem"
  }
}

make_debian() {
  local key file
  key=$(cat "$here/debian/prepare.sh" "${IMGSCAN_CA_BUNDLE:-/dev/null}" | sha256sum | cut -c1-12)
  file=$CACHE_DIR/bases/debian-$key.tar
  if [[ ! -s $file ]]; then
    say "making the Debian root filesystem (about 25 s)"
    debian_root "$work/debian.tar"
    rm -f "$CACHE_DIR"/bases/debian-*.tar
    mv "$work/debian.tar" "$file"
  fi
  stand_ins import "$file"
}
