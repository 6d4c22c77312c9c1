#!/usr/bin/env bash
# shellcheck disable=SC2016  # expanded by the shell in the container
set -Eeuo pipefail
umask 077
# shellcheck source-path=SCRIPTDIR source=lib.sh
. "$(dirname -- "${BASH_SOURCE[0]}")/lib.sh"
dir=${BACKUP_DIR:-$ROOT/backups}; keep=${BACKUP_KEEP:-14}
mkdir -p "$dir"
exec 9>"$dir/.lock"; flock -n 9 || die 5 "another backup is running"
tmp=$(mktemp "$dir/.partial.XXXXXX"); trap 'rm -f "$tmp"' EXIT
dbsh 'exec pg_dump --format=custom -U "$POSTGRES_USER" -d "$POSTGRES_DB"' >"$tmp"
entries=$(db pg_restore --list <"$tmp" | grep -cv '^;') || die 6 "the dump has no readable table of contents"
out=$dir/$(date -u +%Y%m%dT%H%M%SZ).dump
mv -- "$tmp" "$out"; (cd "$dir" && sha256sum "${out##*/}" >"${out##*/}.sha256")
printf 'backup: %s (%s bytes, %s entries)\n' "$out" "$(stat -c %s "$out")" "$entries"
# retention only after success, by count, never by age
find "$dir" -maxdepth 1 -name '*.dump' -printf '%f\n' | sort -r | tail -n +"$((keep + 1))" | while read -r f; do rm -f -- "$dir/$f" "$dir/$f.sha256"; done
