#!/usr/bin/env bash
# A private engine of a newer Debian release beside this machine's own: Engine 28 of sid by default, with the
# containerd image store. Its programs are unpacked, not installed, into the cache folder; its images, socket and
# bridge are its own, and it leaves the host's firewall alone.
#
#   .ci/engine28.sh start    prints the DOCKER_HOST that reaches it; harmless when it runs already
#   .ci/engine28.sh status   the same if it runs, else exits with 1
#   .ci/engine28.sh stop     stops it and removes its bridge; its images stay for the next start
#   .ci/engine28.sh purge    stops it and removes everything of it
#   SUITE=trixie .ci/engine28.sh start      Engine 26.1 of Debian 13
#   STORE=overlay2 .ci/engine28.sh start    with the older image store
set -Eeuo pipefail
here=$(cd -- "$(dirname -- "${BASH_SOURCE[0]}")" && pwd -P)
# shellcheck source-path=SCRIPTDIR source=lib.sh
. "$here/lib.sh"

suite=${SUITE:-sid}
store=${STORE:-containerd}
case $suite in
  sid) number=28 ;;
  trixie) number=26 ;;
  *) die 2 "SUITE=$suite: sid or trixie" ;;
esac
case $store in
  containerd) containerd_store=true ;;
  overlay2)
    containerd_store=false
    number=$((number + 100)) # a store cannot be changed under the images it holds
    ;;
  *) die 2 "STORE=$store: containerd or overlay2" ;;
esac
readonly BUILDX=usr/libexec/docker/cli-plugins/docker-buildx # runs by itself too, without the docker CLI
home=$CACHE_DIR/engine$number
programs=$CACHE_DIR/engine-$suite
# A socket's path may have 107 bytes, so it isn't in the cache folder.
run=/run/imgscan-engine$number
pidfile=$run/docker.pid
bridge=imgscan$number
address=10.228.$number.1/24

engine_pid() {
  local pid
  [[ -r $pidfile ]] && read -r pid <"$pidfile" && [[ -r /proc/$pid/comm && $(<"/proc/$pid/comm") == dockerd ]] &&
    printf '%s' "$pid"
}

# The ids of every process of this engine: those of its own programs that were started on its own folder. One that is
# killed leaves its containerd behind, which keeps the next one from its database.
own_processes() {
  local folder
  for folder in /proc/[0-9]*; do
    if [[ $(readlink "$folder/exe") == "$programs"/* ]] && tr '\0' ' ' <"$folder/cmdline" | grep -qF -- "$run/"; then
      printf '%s\n' "${folder#/proc/}"
    fi
  done 2>/dev/null
}

answers() {
  DOCKER_HOST=unix://$run/docker.sock "$here/engine.sh" >/dev/null 2>&1
}

# Fetched with an apt configuration of its own: one source, this system's with the suite's name replaced.
unpack_programs() {
  local work=$programs.new apt file
  [[ ! -x $programs/usr/sbin/dockerd || ! -x $programs/$BUILDX ]] || return 0
  say "fetching the engine of Debian $suite"
  rm -rf "$work"
  mkdir -p "$work"/{lists/partial,cache/archives/partial,debs}
  apt_sources "$work/sources" "$suite" || die 3 "no apt source of this system's own release was found"
  apt=(apt-get -q -o Dir::Etc::sourcelist=/dev/null -o "Dir::Etc::sourceparts=$work/sources"
    -o Dir::Etc::preferences=/dev/null -o Dir::Etc::preferencesparts=/dev/null
    -o "Dir::State::lists=$work/lists" -o "Dir::Cache=$work/cache" -o APT::Sandbox::User=root)
  if ! ("${apt[@]}" update && cd "$work/debs" && "${apt[@]}" download docker.io containerd docker-buildx) >"$work/log" 2>&1; then
    tail -n 10 "$work/log" >&2
    die 3 "apt could not fetch the engine of Debian $suite"
  fi
  for file in "$work"/debs/*.deb; do
    dpkg-deb -x "$file" "$work/root"
  done
  rm -rf "$programs"
  mv "$work/root" "$programs"
  rm -rf "$work"
}

# Unmounts what an engine mounts on and in its folders, and leaves behind when it is killed; then removes the runtime one.
forget_run() {
  local mount
  while read -r _ mount _; do
    case $mount in
      "$run"/* | "$home" | "$home"/*) umount -l "$mount" ;;
    esac
  done < <(tac /proc/self/mounts)
  rm -rf "$run"
}

end_processes() {
  local pid deadline=$((SECONDS + 20))
  ! pid=$(engine_pid) || kill -TERM "$pid" # it ends its containerd itself
  while [[ -n $(own_processes) ]]; do
    if [[ ! -d /proc/${pid:-none} || $SECONDS -gt $deadline ]]; then
      own_processes | xargs -r kill -KILL 2>/dev/null || true
    fi
    sleep 0.2
  done
}

# firewall -I|-D: what containers of one network send each other passes. It goes through the host's FORWARD chain, which
# the engine beside this one may have closed.
firewall() {
  local rule=(FORWARD -m physdev --physdev-is-bridged -m comment --comment "imgscan$number" -j ACCEPT)
  local PATH=$PATH:/usr/sbin:/sbin
  command -v iptables >/dev/null || return 0
  if iptables -C "${rule[@]}" 2>/dev/null; then
    [[ $1 == -I ]] || iptables -D "${rule[@]}"
  elif [[ $1 == -I ]]; then
    iptables -I "${rule[@]}"
  fi
}

start() {
  local deadline pid program
  if answers; then
    return 0
  fi
  end_processes # there may be some that do not answer
  unpack_programs
  for program in ip:iproute2 runc:runc; do
    PATH=$PATH:/usr/sbin:/sbin command -v "${program%:*}" >/dev/null || apt_install "${program#*:}" ||
      die 3 "apt could not install ${program#*:}"
  done
  forget_run
  mkdir -p "$run" "$home"
  ip link show "$bridge" >/dev/null 2>&1 || ip link add name "$bridge" type bridge
  ip addr replace "$address" dev "$bridge"
  ip link set "$bridge" up
  firewall -I
  printf '{ "features": { "containerd-snapshotter": %s } }\n' "$containerd_store" >"$run/daemon.json"
  : >"$run/log"
  say "starting $("$programs/usr/sbin/dockerd" --version)"
  # Its own containerd first in PATH. No firewall rules: the rules of the engine beside it would be lost, and builds
  # in the tests use the host's network.
  PATH=$programs/usr/bin:$programs/usr/sbin:$PATH:/usr/sbin:/sbin setsid dockerd \
    --config-file "$run/daemon.json" --data-root "$home" --exec-root "$run/exec" --pidfile "$pidfile" \
    --host "unix://$run/docker.sock" --bridge "$bridge" \
    --iptables=false --ip6tables=false --ip-forward=false --ip-masq=false --userland-proxy=false \
    >>"$run/log" 2>&1 </dev/null 8>&- &
  pid=$!
  deadline=$((SECONDS + 60))
  until answers; do
    if ! kill -0 "$pid" 2>/dev/null || ((SECONDS > deadline)); then
      tail -n 15 "$run/log" >&2
      die 3 "the engine did not start (above: the end of $run/log)"
    fi
    sleep 0.5
  done
  say "it runs (log: $run/log); to stop it: SUITE=$suite STORE=$store .ci/engine28.sh stop"
}

stop() {
  if [[ -n $(own_processes) ]]; then
    end_processes
    say "stopped"
  fi
  ip link delete "$bridge" 2>/dev/null || true
  firewall -D
  forget_run
}

if ! is_root || ! is_debian_like; then die 3 "a private engine needs root on Debian or Ubuntu"; fi
mkdir -p "$CACHE_DIR"
exec 8>"$CACHE_DIR/.engine$number.lock"
flock 8
case ${1-} in
  start)
    start >&2
    printf 'unix://%s/docker.sock\n' "$run"
    ;;
  status)
    answers || exit 1
    printf 'unix://%s/docker.sock\n' "$run"
    ;;
  stop) stop ;;
  purge)
    stop
    rm -rf "$home" "$programs"
    ;;
  *) die 2 "usage: [SUITE=sid|trixie] [STORE=containerd|overlay2] ${0##*/} start|status|stop|purge" ;;
esac
