#!/usr/bin/env bash
# Starts PostgreSQL as the public image's entrypoint does. On an empty data folder it first runs a server that listens
# on the socket alone, creates user and database and loads /docker-entrypoint-initdb.d, stops it, and only then starts
# the real one: a health check that asks over the socket answers too early.
set -Eeuo pipefail

# from_file VARIABLE: its value, or that of the file VARIABLE_FILE names (a mounted secret).
from_file() {
  local file=$1_FILE
  if [[ -n ${!file-} ]]; then
    export "$1=$(<"${!file}")"
  fi
}

if [[ ${1-} != postgres ]]; then
  exec "$@"
fi
if [[ $(id -u) == 0 ]]; then
  mkdir -p "$PGDATA"
  chown -R postgres:postgres "$PGDATA"
  chmod 700 "$PGDATA"
  mkdir -p /var/run/postgresql
  chown postgres:postgres /var/run/postgresql
  exec setpriv --reuid=postgres --regid=postgres --init-groups "$0" "$@"
fi
if [[ ! -s $PGDATA/PG_VERSION ]]; then
  from_file POSTGRES_PASSWORD
  : "${POSTGRES_PASSWORD:?POSTGRES_PASSWORD or POSTGRES_PASSWORD_FILE must be set for a new database}"
  user=${POSTGRES_USER:-postgres}
  initdb --username="$user" --pwfile=<(printf '%s\n' "$POSTGRES_PASSWORD") --auth-host=scram-sha-256
  printf 'host all all all scram-sha-256\n' >>"$PGDATA/pg_hba.conf"
  pg_ctl -D "$PGDATA" -o "-c listen_addresses=''" -w start
  database=${POSTGRES_DB:-$user}
  if [[ $database != postgres ]]; then
    createdb --username="$user" "$database"
  fi
  for file in /docker-entrypoint-initdb.d/*; do
    case $file in
      *.sh) [[ ! -f $file ]] || bash "$file" ;;
      *.sql) psql -v ON_ERROR_STOP=1 --username="$user" --dbname="$database" --file="$file" ;;
      *.sql.gz) gunzip -c "$file" | psql -v ON_ERROR_STOP=1 --username="$user" --dbname="$database" ;;
    esac
  done
  pg_ctl -D "$PGDATA" -m fast -w stop
  unset POSTGRES_PASSWORD
fi
exec "$@" -c listen_addresses='*'
