#!/usr/bin/env bash
# The one way to drive the containers of this project: it creates what must exist, and it cannot delete the database's
# volume except through destroy-data, which makes a backup and asks.
set -Eeuo pipefail

usage() {
  cat >&2 <<'TEXT'
usage: scripts/dev-ctl.sh COMMAND [ARGUMENT...]
  init                                   write .env and a random database password, once
  up                                     build, create the volume, start, wait until all is healthy
  down stop start restart ps build config rm logs exec run       as docker compose, without -v
  backup                                 dump the database to backups/
  verify-backup FILE [--against-live]    restore into a scratch database and count
  restore FILE                           restore beside the live database, then swap
  destroy-data                           back up, ask, delete the volume
TEXT
  exit 64
}

init() {
  local root
  root=$(cd -- "$(dirname -- "${BASH_SOURCE[0]}")/.." && pwd -P)
  [[ -f $root/.env ]] || cp "$root/.env.example" "$root/.env"
  if [[ ! -s $root/secrets/postgres_password ]]; then
    # The folder keeps others out; the file itself must be readable by the user inside the container.
    (umask 077 && mkdir -p "$root/secrets")
    head -c 24 /dev/urandom | base64 | tr '+/' '-_' >"$root/secrets/postgres_password"
    chmod 644 "$root/secrets/postgres_password"
  fi
  echo "ready: $root/.env, $root/secrets/postgres_password"
}

[[ $# -ge 1 ]] || usage
cmd=$1
shift
if [[ $cmd == init ]]; then
  init
  exit
fi

# shellcheck source-path=SCRIPTDIR source=lib.sh
. "$(dirname -- "${BASH_SOURCE[0]}")/lib.sh"

# Refuses every spelling of -v/--volumes, in any position, alone, in a cluster or with a value.
no_volume_flags() {
  local argument
  for argument in "$@"; do
    case $argument in
      --) return ;;
      --v*) die 3 "refusing '$argument': use 'dev-ctl.sh destroy-data'" ;;
      --*) ;;
      -*[vV]*) die 3 "refusing '$argument': use 'dev-ctl.sh destroy-data'" ;;
    esac
  done
}

destroy_data() {
  local reply
  [[ $# -eq 0 ]] || die 64 "destroy-data takes no arguments"
  [[ -t 0 && -t 1 ]] || die 3 "destroy-data needs a terminal"
  "$ROOT/scripts/backup.sh" || die 4 "backup failed, nothing was deleted"
  read -rp "Type the volume's name ($DB_VOLUME) to delete it: " reply
  [[ $reply == "$DB_VOLUME" ]] || die 1 "aborted"
  "${COMPOSE[@]}" down --remove-orphans
  docker volume rm "$DB_VOLUME"
}

case $cmd in
  up)
    no_volume_flags "$@"
    # The volume is external to the compose file, so that `docker compose down -v` leaves it alone.
    docker volume inspect "$DB_VOLUME" >/dev/null 2>&1 ||
      docker volume create --label com.antone.protect=true "$DB_VOLUME" >/dev/null
    exec "${COMPOSE[@]}" up -d --wait "$@"
    ;;
  down | stop | start | restart | ps | build | config | rm)
    no_volume_flags "$@"
    exec "${COMPOSE[@]}" "$cmd" "$@"
    ;;
  logs | exec | run) exec "${COMPOSE[@]}" "$cmd" "$@" ;;
  backup | restore | verify-backup) exec "$ROOT/scripts/$cmd.sh" "$@" ;;
  destroy-data) destroy_data "$@" ;;
  *) usage ;;
esac
