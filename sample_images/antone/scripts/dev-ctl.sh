#!/usr/bin/env bash
set -Eeuo pipefail
# shellcheck source-path=SCRIPTDIR source=lib.sh
. "$(dirname -- "${BASH_SOURCE[0]}")/lib.sh"
usage() { echo "usage: dev-ctl.sh up|down|stop|start|restart|ps|logs|build|config|exec|run|rm|backup|restore|verify-backup|destroy-data [args]" >&2; exit 64; }
# Any spelling of -v/--volumes, in any position, alone, clustered or with a value.
no_volume_flags() {
  local a
  for a in "$@"; do
    case $a in
      --) return ;;
      --v*) die 3 "refusing '$a': use 'dev-ctl.sh destroy-data'" ;;
      --*) ;;
      -*[vV]*) die 3 "refusing '$a': use 'dev-ctl.sh destroy-data'" ;;
    esac
  done
}
[[ $# -ge 1 ]] || usage
cmd=$1; shift
case $cmd in
  up)
    no_volume_flags "$@"
    docker volume inspect "$DB_VOLUME" >/dev/null 2>&1 || docker volume create --label com.antone.protect=true "$DB_VOLUME" >/dev/null
    exec "${COMPOSE[@]}" up -d --wait "$@" ;;
  down|stop|start|restart|ps|build|config|rm) no_volume_flags "$@"; exec "${COMPOSE[@]}" "$cmd" "$@" ;;
  logs|exec|run) exec "${COMPOSE[@]}" "$cmd" "$@" ;;
  backup|restore|verify-backup) exec "$ROOT/scripts/$cmd.sh" "$@" ;;
  destroy-data)
    [[ $# -eq 0 ]] || die 64 "destroy-data takes no arguments"
    [[ -t 0 && -t 1 ]] || die 3 "destroy-data needs a terminal"
    "$ROOT/scripts/backup.sh" || die 4 "backup failed, nothing was deleted"
    read -rp "Type the volume's name ($DB_VOLUME) to delete it: " reply
    [[ $reply == "$DB_VOLUME" ]] || die 1 "aborted"
    "${COMPOSE[@]}" down --remove-orphans
    docker volume rm "$DB_VOLUME" ;;
  *) usage ;;
esac
