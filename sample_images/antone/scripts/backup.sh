#!/usr/bin/env bash
# Dumps the database to backups/ (BACKUP_DIR), with a checksum, and keeps the newest 14 (BACKUP_KEEP). A dump gets its
# name only when it is whole, so a failed run leaves nothing that looks like a backup.
# shellcheck disable=SC2016  # expanded by the shell in the container
set -Eeuo pipefail
umask 077
# shellcheck source-path=SCRIPTDIR source=lib.sh
. "$(dirname -- "${BASH_SOURCE[0]}")/lib.sh"

dir=${BACKUP_DIR:-$ROOT/backups}
keep=${BACKUP_KEEP:-14}
[[ $keep =~ ^[1-9][0-9]*$ ]] || die 64 "BACKUP_KEEP=$keep: a number of 1 or more"
mkdir -p "$dir"
exec 9>"$dir/.lock"
flock -n 9 || die 5 "another backup is running"
tmp=$(mktemp "$dir/.partial.XXXXXX")
trap 'rm -f -- "$tmp"' EXIT

dbsh 'exec pg_dump --format=custom -U "$POSTGRES_USER" -d "$POSTGRES_DB"' >"$tmp"
entries=$(db pg_restore --list <"$tmp" | grep -cv '^;') || die 6 "the dump has no readable table of contents"

out=$dir/$(date -u +%Y%m%dT%H%M%SZ).dump
(cd "$dir" && sha256sum -- "${tmp##*/}" | sed "s/  .*/  ${out##*/}/" >"${out##*/}.sha256")
mv -- "$tmp" "$out"
printf 'backup: %s (%s bytes, %s entries)\n' "$out" "$(stat -c %s "$out")" "$entries"

# Only after success, and by number: by age, a job that fails for a month would delete the last good one.
find "$dir" -maxdepth 1 -name '*.dump' -printf '%f\n' | sort -r | tail -n +"$((keep + 1))" |
  while read -r old; do
    rm -f -- "$dir/$old" "$dir/$old.sha256"
  done
