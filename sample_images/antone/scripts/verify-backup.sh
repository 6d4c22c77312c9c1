#!/usr/bin/env bash
# shellcheck disable=SC2016  # expanded by the shell in the container
# Restores a dump into a scratch database and compares it, table by table, with a live one when --against-live is given.
set -Eeuo pipefail
# shellcheck source-path=SCRIPTDIR source=lib.sh
. "$(dirname -- "${BASH_SOURCE[0]}")/lib.sh"
file=${1:?usage: verify-backup.sh FILE [--against-live]}; mode=${2:-}
(cd "$(dirname -- "$file")" && sha256sum --quiet -c "${file##*/}.sha256") || die 7 "checksum mismatch"
scratch=verify_$$
psql_() { dbsh 'd=$1; shift; exec psql -X -q -v ON_ERROR_STOP=1 -U "$POSTGRES_USER" -d "${d:-$POSTGRES_DB}" "$@"' -- "$@"; }
trap 'psql_ postgres -c "drop database if exists $scratch" >/dev/null 2>&1 || true' EXIT
psql_ postgres -c "create database $scratch template template0"
dbsh 'exec pg_restore --exit-on-error --single-transaction --no-owner -U "$POSTGRES_USER" -d "$1"' -- "$scratch" <"$file"
fingerprint() {
  psql_ "$1" -At -c "select format('select %L, count(*), coalesce(md5(string_agg(md5(t::text), '''' order by md5(t::text))), ''-'') from %I.%I t;', schemaname||'.'||tablename, schemaname, tablename) from pg_tables where schemaname not in ('pg_catalog','information_schema') order by 1" | psql_ "$1" -At
}
a=$(fingerprint "$scratch")
if [[ $mode == --against-live ]]; then
  b=$(fingerprint ""); [[ $a == "$b" ]] || { diff <(echo "$b") <(echo "$a") >&2 || true; die 8 "restored data differ from the live database"; }
fi
printf 'verified: %s tables\n%s\n' "$(grep -c . <<<"$a" || true)" "$a"
