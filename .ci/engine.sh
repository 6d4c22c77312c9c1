#!/usr/bin/env bash
# Sees to a container engine and prints the DOCKER_HOST that reaches it, and nothing else, on stdout.
#
# First what the user has: the engine DOCKER_HOST names, then the usual sockets of Docker, rootless Docker, Docker
# Desktop and Podman; those are only asked whether they answer. Else, as root on Debian or Ubuntu, it installs
# docker.io and starts dockerd in the background. Else it says how to get an engine on this system and exits 3.
# Running it twice, or twice at once, is cheap and harmless.
set -Eeuo pipefail
# shellcheck source-path=SCRIPTDIR source=lib.sh
. "$(dirname -- "${BASH_SOURCE[0]}")/lib.sh"

readonly SOCKET=/var/run/docker.sock PIDFILE=/var/run/docker.pid
readonly LOG=/var/log/imgscan-dockerd.log LOCK=/run/lock/imgscan-engine.lock
readonly PATIENCE_S=60

# answering ADDRESS...: prints the first of these DOCKER_HOSTs whose engine answers; says why one that is there doesn't.
answering() {
  env -u PYTHONHOME python3 -I -S - "$@" <<'PYTHON'
import http.client, os, socket, ssl, sys
from urllib.parse import urlsplit


class Unix(http.client.HTTPConnection):
    def __init__(self, path):
        super().__init__("engine", timeout=5)
        self.path = path

    def connect(self):
        self.sock = socket.socket(socket.AF_UNIX, socket.SOCK_STREAM)
        self.sock.settimeout(self.timeout)
        self.sock.connect(self.path)


def connection(address):
    url = urlsplit(address)
    if url.scheme == "unix":
        return Unix(url.path)
    if url.scheme not in ("tcp", "http", "https") or not url.hostname:
        raise OSError("imgscan talks to an engine over a unix socket or TCP")
    if url.scheme == "https" or os.environ.get("DOCKER_TLS_VERIFY"):
        folder = os.environ.get("DOCKER_CERT_PATH") or os.path.expanduser("~/.docker")
        context = ssl.create_default_context(cafile=os.path.join(folder, "ca.pem"))
        context.load_cert_chain(os.path.join(folder, "cert.pem"), os.path.join(folder, "key.pem"))
        return http.client.HTTPSConnection(url.hostname, url.port or 2376, timeout=5, context=context)
    return http.client.HTTPConnection(url.hostname, url.port or 2375, timeout=5)


for address in sys.argv[1:]:
    if address.startswith("unix://") and not os.path.exists(address[len("unix://"):]):
        continue
    try:
        engine = connection(address)
        engine.request("GET", "/_ping")
        answer = engine.getresponse()
        if answer.status == 200 and answer.read(16).strip() == b"OK":
            print(address)
            sys.exit(0)
        reason = f"no engine, it answers {answer.status}"
    except (OSError, ValueError, http.client.HTTPException) as error:
        reason = getattr(error, "strerror", None) or str(error) or type(error).__name__
    print(f"  {address}: {reason}", file=sys.stderr)
sys.exit(1)
PYTHON
}

usual_addresses() {
  local runtime=${XDG_RUNTIME_DIR:-/run/user/$(id -u)}
  printf 'unix://%s\n' "$SOCKET" "$runtime/docker.sock" "$HOME/.docker/run/docker.sock" \
    "$HOME/.docker/desktop/docker.sock" "$HOME/.orbstack/run/docker.sock" "$HOME/.colima/default/docker.sock" \
    "$HOME/.rd/docker.sock" "$runtime/podman/podman.sock" \
    "$HOME/.local/share/containers/podman/machine/podman.sock" /run/podman/podman.sock
}

how_to_get_one() {
  local lines=()
  case " $(uname -s) $(os_release ID) $(os_release ID_LIKE) " in
    *' Darwin '*)
      lines=("install Docker Desktop, or: brew install colima docker && colima start"
        "or Podman: brew install podman && podman machine init && podman machine start") ;;
    *' debian '* | *' ubuntu '*)
      lines=("run this as root, which installs and starts one"
        "or: sudo apt-get install docker.io && sudo usermod -aG docker \"\$USER\", then log in again") ;;
    *' fedora '* | *' rhel '* | *' centos '*)
      lines=("sudo dnf install moby-engine && sudo systemctl enable --now docker"
        "or Podman: sudo dnf install podman && systemctl --user enable --now podman.socket") ;;
    *' arch '*)
      lines=("sudo pacman -S docker && sudo systemctl enable --now docker"
        "or Podman: sudo pacman -S podman && systemctl --user enable --now podman.socket") ;;
    *) lines=("install Docker or Podman with this system's package manager and start it") ;;
  esac
  if [[ -S $SOCKET && ! -w $SOCKET ]]; then
    lines=("$SOCKET belongs to a group you are not in: sudo usermod -aG docker \"\$USER\", then log in again"
      "${lines[@]}")
  fi
  die 3 "no container engine answers" "${lines[@]}" "an engine elsewhere: DOCKER_HOST=tcp://HOST:PORT"
}

# runs PIDFILE NAME: whether the process that PIDFILE names is there and is NAME, not a later one with its number.
runs() {
  local pid
  [[ -r $1 ]] && read -r pid <"$1" && [[ $pid =~ ^[0-9]+$ && -r /proc/$pid/comm && $(<"/proc/$pid/comm") == "$2" ]]
}

# Files that name dead processes: dockerd refuses to start, or waits for a containerd that isn't, where the number
# has been given to another process since.
clear_stale_pidfiles() {
  runs "$PIDFILE" dockerd || rm -f "$PIDFILE"
  runs /var/run/docker/containerd/containerd.pid containerd || rm -f /var/run/docker/containerd/containerd.pid
}

# wait_for_engine PID: until the socket answers, or the process is gone, or nobody would wait any longer.
wait_for_engine() {
  local pid=$1 deadline=$((SECONDS + PATIENCE_S))
  while ((SECONDS < deadline)); do
    if [[ -S $SOCKET ]] && answering "unix://$SOCKET" >/dev/null 2>&1; then
      return 0
    fi
    kill -0 "$pid" 2>/dev/null || return 1
    sleep 0.5
  done
  return 1
}

# start_dockerd OPTION...: detached from this script, its terminal and its open files (the lock above all).
start_dockerd() {
  clear_stale_pidfiles
  PATH=$PATH:/usr/sbin:/sbin setsid dockerd "$@" >>"$LOG" 2>&1 </dev/null 8>&- 9>&- &
  wait_for_engine "$!"
}

start_engine() {
  local started_at=0
  if runs "$PIDFILE" dockerd; then
    say "dockerd runs and does not answer yet; waiting for it"
    wait_for_engine "$(<"$PIDFILE")" || die 3 "the dockerd that runs here does not answer" "look at its log, or stop it"
    return
  fi
  if ! PATH=$PATH:/usr/sbin command -v dockerd >/dev/null; then
    say "no container engine here; installing docker.io"
    apt_install docker.io iptables ca-certificates || die 3 "apt could not install docker.io (see above)"
  fi
  if [[ -d /run/systemd/system ]] && systemctl start docker >/dev/null 2>&1 && wait_for_engine "$$"; then
    say "started the service docker; to stop it: systemctl stop docker docker.socket"
    return
  fi
  mountpoint -q /sys/fs/cgroup || mount -t cgroup2 none /sys/fs/cgroup 2>/dev/null || true
  [[ ! -f $LOG ]] || started_at=$(wc -l <"$LOG")
  say "starting dockerd in the background"
  if ! start_dockerd; then
    if tail -n +"$((started_at + 1))" "$LOG" | grep -q iptables; then
      say "no usable iptables in this kernel: starting it without; builds then need the host's network"
      start_dockerd --iptables=false --ip6tables=false --bridge=none || true
    fi
  fi
  if ! answering "unix://$SOCKET" >/dev/null 2>&1; then
    tail -n +"$((started_at + 1))" "$LOG" | tail -n 10 >&2
    die 3 "dockerd did not start (above: the end of $LOG)"
  fi
  say "dockerd runs (log: $LOG); to stop it: kill \$(cat $PIDFILE)"
}

command -v python3 >/dev/null || die 3 "python3 is missing"
if [[ -n ${DOCKER_HOST-} ]]; then
  # The user's own choice: another engine in its place would be a surprise, so there is no second try.
  answering "$DOCKER_HOST" || die 3 "DOCKER_HOST=$DOCKER_HOST: no engine answers there" \
    "start that engine, or unset DOCKER_HOST to use the one of this machine"
  exit 0
fi
addresses=()
while read -r address; do addresses+=("$address"); done < <(usual_addresses)
complaints=$(mktemp)
trap 'rm -f -- "$complaints"' EXIT
if answering "${addresses[@]}" 2>"$complaints"; then
  exit 0
fi
if ! is_root || ! is_debian_like; then
  cat "$complaints" >&2
  how_to_get_one
fi
exec 8>"$LOCK"
flock 8
if answering "${addresses[@]}" 2>/dev/null; then
  exit 0
fi
start_engine >&2
printf 'unix://%s\n' "$SOCKET"
