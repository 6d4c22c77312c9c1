#!/usr/bin/env bash
# shellcheck disable=SC2016  # expanded by the shell in the container
# Restores beside the live database and swaps by rename, so a failed restore changes nothing.
set -Eeuo pipefail
# shellcheck source-path=SCRIPTDIR source=lib.sh
. "$(dirname -- "${BASH_SOURCE[0]}")/lib.sh"
file=${1:?usage: restore.sh FILE}
(cd "$(dirname -- "$file")" && sha256sum --quiet -c "${file##*/}.sha256") || die 7 "checksum mismatch"
ts=$(date -u +%Y%m%d%H%M%S); new=restore_$ts; old=replaced_$ts
q() { dbsh 'exec psql -X -q -v ON_ERROR_STOP=1 -U "$POSTGRES_USER" -d postgres -c "$1"' -- "$1"; }
name=$(dbsh 'printf %s "$POSTGRES_DB"')
q "create database $new template template0"
dbsh 'exec pg_restore --exit-on-error --single-transaction --no-owner -U "$POSTGRES_USER" -d "$1"' -- "$new" <"$file" || { q "drop database $new"; die 9 "restore failed; '$name' is untouched"; }
q "select pg_terminate_backend(pid) from pg_stat_activity where datname = '$name'" >/dev/null
q "alter database \"$name\" rename to $old" && q "alter database $new rename to \"$name\""
printf "restored into '%s'; the previous one is kept as '%s'\n" "$name" "$old"
