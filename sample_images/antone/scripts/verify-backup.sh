#!/usr/bin/env bash
# Restores a dump into a scratch database and prints, per table, its rows and a checksum of them; with --against-live
# it fails unless they are those of the live database.
# shellcheck disable=SC2016  # expanded by the shell in the container
set -Eeuo pipefail
# shellcheck source-path=SCRIPTDIR source=lib.sh
. "$(dirname -- "${BASH_SOURCE[0]}")/lib.sh"

file=${1:?usage: verify-backup.sh FILE [--against-live]}
mode=${2:-}
check_sum "$file"

# in_database NAME OPTION...: psql there; an empty NAME is the live database.
in_database() {
  dbsh 'name=$1; shift; exec psql -X -q -v ON_ERROR_STOP=1 -U "$POSTGRES_USER" -d "${name:-$POSTGRES_DB}" "$@"' -- "$@"
}

# One line a table: its name, its number of rows, a checksum that does not depend on their order.
fingerprint() {
  in_database "$1" -At -c "
    select format(
      'select %L, count(*), coalesce(md5(string_agg(md5(t::text), '''' order by md5(t::text))), ''-'') from %I.%I t;',
      schemaname || '.' || tablename, schemaname, tablename)
    from pg_tables where schemaname not in ('pg_catalog', 'information_schema') order by 1" |
    in_database "$1" -At
}

scratch=verify_$$
trap 'in_database postgres -c "drop database if exists $scratch" >/dev/null 2>&1 || true' EXIT
in_database postgres -c "create database $scratch template template0"
dbsh 'exec pg_restore --exit-on-error --single-transaction --no-owner -U "$POSTGRES_USER" -d "$1"' -- "$scratch" <"$file"

restored=$(fingerprint "$scratch")
if [[ $mode == --against-live ]]; then
  live=$(fingerprint "")
  if [[ $restored != "$live" ]]; then
    diff <(echo "$live") <(echo "$restored") >&2 || true
    die 8 "the restored data differ from the live database"
  fi
fi
printf 'verified: %s tables\n%s\n' "$(grep -c . <<<"$restored" || true)" "$restored"
