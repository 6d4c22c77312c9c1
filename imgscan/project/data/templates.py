"""Texts of scripts that patches bring: the guard of a wrapper, a wrapper. In: names of the project. Out: shell text."""

from __future__ import annotations

import shlex
from collections.abc import Sequence
from typing import Final

GUARD: Final = """\
# Refuses every spelling of -v/--volumes, in any position, alone, in a cluster of options or with a value: deleting the
# data is not something to do in passing (`docker volume rm` does it, with the volume's name).
case " $* " in
  *" down "*)
    for argument in "$@"; do
      case $argument in
        --volumes | --volumes=*)
          echo "refusing '$argument': it deletes the data volumes" >&2
          exit 3
          ;;
        --*) ;;
        -*v*)
          echo "refusing '$argument': it deletes the data volumes" >&2
          exit 3
          ;;
      esac
    done
    ;;
esac
"""


def wrapper_script(files: Sequence[str]) -> str:
    """A script that drives the containers of these compose files and lets nothing through that deletes volumes."""
    options = " ".join(f"-f {shlex.quote(file)}" for file in files)
    return f"""\
#!/usr/bin/env bash
# The one way to drive the containers of this project: verbs are on a list, and no option given here deletes a volume.
set -euo pipefail
cd -- "$(dirname -- "${{BASH_SOURCE[0]}}")/.."

usage() {{
  echo "usage: scripts/dev-ctl.sh up|down|stop|start|restart|ps|logs|build|config|exec|run [ARGUMENT...]" >&2
  exit 64
}}

# Refuses every spelling of -v/--volumes, in any position, alone, in a cluster or with a value.
no_volume_flags() {{
  local argument
  for argument in "$@"; do
    case $argument in
      --) return ;;
      --v*) echo "refusing '$argument': it deletes volumes" >&2; exit 3 ;;
      --*) ;;
      -*[vV]*) echo "refusing '$argument': it deletes volumes" >&2; exit 3 ;;
    esac
  done
}}

[[ $# -ge 1 ]] || usage
verb=$1
shift
case $verb in
  up | down | stop | start | restart | ps | build | config) no_volume_flags "$@" ;;
  logs | exec | run) ;;
  *) usage ;;
esac
exec docker compose {options} "$verb" "$@"
"""


def backup_script(files: Sequence[str], service: str) -> str:
    """A script that dumps the PostgreSQL of a service to a folder beside the project, whole or not at all."""
    return f"""\
#!/usr/bin/env bash
# Dumps the database of {service} to BACKUP_DIR (default: ../backups), with a checksum, and keeps the newest 14. A dump
# gets its name only when it is whole.
# shellcheck disable=SC2016  # expanded by the shell in the container
set -Eeuo pipefail
umask 077
cd -- "$(dirname -- "${{BASH_SOURCE[0]}}")/.."
{_compose(files)}

dir=${{BACKUP_DIR:-../backups}}
mkdir -p "$dir"
tmp=$(mktemp "$dir/.partial.XXXXXX")
trap 'rm -f -- "$tmp"' EXIT
"${{compose[@]}}" exec -T {service} sh -ceu '
  user=${{POSTGRES_USER:-postgres}}
  exec pg_dump --format=custom -U "$user" "${{POSTGRES_DB:-$user}}"
' >"$tmp"
"${{compose[@]}}" exec -T {service} pg_restore --list <"$tmp" >/dev/null
out=$dir/$(date -u +%Y%m%dT%H%M%SZ).dump
mv -- "$tmp" "$out"
(cd "$dir" && sha256sum -- "${{out##*/}}" >"${{out##*/}}.sha256")
echo "backup: $out"

# Only after success, and by number: by age, a job that fails for a month would delete the last good one.
find "$dir" -maxdepth 1 -name '*.dump' -printf '%f\\n' | sort -r | tail -n +15 |
  while read -r old; do
    rm -f -- "$dir/$old" "$dir/$old.sha256"
  done
"""


def restore_script(files: Sequence[str], service: str) -> str:
    """A script that restores such a dump beside the live database and swaps the two by name."""
    return f"""\
#!/usr/bin/env bash
# Restores a dump of scripts/backup.sh beside the live database of {service} and swaps the two by name: a restore that
# fails changes nothing, and the replaced database is kept.
# shellcheck disable=SC2016  # expanded by the shell in the container
set -Eeuo pipefail
file=$(realpath -- "${{1:?usage: scripts/restore.sh FILE}}")
cd -- "$(dirname -- "${{BASH_SOURCE[0]}}")/.."
{_compose(files)}

(cd "$(dirname -- "$file")" && sha256sum --quiet -c "${{file##*/}}.sha256")
stamp=$(date -u +%Y%m%d%H%M%S)
inside() {{ "${{compose[@]}}" exec -T {service} sh -ceu "$@"; }}
sql() {{ inside 'exec psql -X -q -v ON_ERROR_STOP=1 -U "${{POSTGRES_USER:-postgres}}" -d postgres -c "$1"' -- "$1"; }}
name=$(inside 'printf %s "${{POSTGRES_DB:-${{POSTGRES_USER:-postgres}}}}"')
sql "create database restore_$stamp template template0"
inside '
  exec pg_restore --exit-on-error --single-transaction --no-owner -U "${{POSTGRES_USER:-postgres}}" -d "$1"
' -- "restore_$stamp" <"$file"
sql "select pg_terminate_backend(pid) from pg_stat_activity where datname = '$name'" >/dev/null
sql "alter database \\"$name\\" rename to \\"replaced_$stamp\\""
sql "alter database restore_$stamp rename to \\"$name\\""
echo "restored into $name; the database it replaced is replaced_$stamp"
"""  # noqa: S608 - a shell script


def _compose(files: Sequence[str]) -> str:
    return f"compose=(docker compose {' '.join(f'-f {shlex.quote(file)}' for file in files)})"
