#!/usr/bin/env bash
# Restores a dump beside the live database and swaps the two by name, so that a restore that fails changes nothing and
# one that was a mistake can be undone: the replaced database is kept.
# shellcheck disable=SC2016  # expanded by the shell in the container
set -Eeuo pipefail
# shellcheck source-path=SCRIPTDIR source=lib.sh
. "$(dirname -- "${BASH_SOURCE[0]}")/lib.sh"

file=${1:?usage: restore.sh FILE}
check_sum "$file"
stamp=$(date -u +%Y%m%d%H%M%S)
new=restore_$stamp
old=replaced_$stamp
name=$(dbsh 'printf %s "$POSTGRES_DB"')

# Reads SQL from stdin, with the three names as the variables :"live", :"new" and :"old".
sql() {
  dbsh 'exec psql -X -q -v ON_ERROR_STOP=1 -v live="$POSTGRES_DB" -v new="$1" -v old="$2" -U "$POSTGRES_USER" -d postgres' \
    -- "$new" "$old"
}

sql <<<'create database :"new" template template0;'
if ! dbsh 'exec pg_restore --exit-on-error --single-transaction --no-owner -U "$POSTGRES_USER" -d "$1"' -- "$new" <"$file"; then
  sql <<<'drop database :"new";'
  die 9 "the restore failed; '$name' is untouched"
fi

# Nobody may come back between the end of their connection and the swap, and the two renames happen together or not.
if ! sql <<'SQL'; then
alter database :"live" with allow_connections false;
select pg_terminate_backend(pid) from pg_stat_activity where datname = :'live' \g /dev/null
begin;
alter database :"live" rename to :"old";
alter database :"new" rename to :"live";
commit;
alter database :"old" with allow_connections true;
SQL
  sql <<<'alter database :"live" with allow_connections true; drop database :"new";' || true
  die 10 "the swap failed; '$name' is untouched"
fi
printf "restored into '%s'; the database it replaced is kept as '%s'\n" "$name" "$old"
