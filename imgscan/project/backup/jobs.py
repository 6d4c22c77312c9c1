"""Dumps and restores in the project's shell texts: what runs them, through which container, from and to where.

In: a `Setup`. Out: `Job`s. Found by the programs that a call runs, not by names of files.
"""

from __future__ import annotations

import re
from collections.abc import Iterator
from typing import Final

from imgscan.frozen import frozen
from imgscan.lazyre import lazy_re
from imgscan.project.data.stores import stateful_services
from imgscan.project.data.storetable import within
from imgscan.project.setup import Setup
from imgscan.project.shell.enginewords import EngineCall
from imgscan.project.shell.peel import Program, programs
from imgscan.project.shell.records import Call, Redirect, ShellKind, ShellText

_DUMPS: Final[dict[str, str]] = {
    "pg_dump": "PostgreSQL",
    "pg_dumpall": "PostgreSQL",
    "pg_basebackup": "PostgreSQL",
    "pgbackrest": "PostgreSQL",
    "wal-g": "PostgreSQL",
    "mysqldump": "MySQL",
    "mariadb-dump": "MariaDB",
    "mysqlpump": "MySQL",
    "mydumper": "MySQL",
    "xtrabackup": "MySQL",
    "mariabackup": "MariaDB",
    "mongodump": "MongoDB",
    "clickhouse-backup": "ClickHouse",
    "neo4j-admin": "Neo4j",
    "etcdctl": "etcd",
}
_RESTORES: Final[dict[str, str]] = {
    "pg_restore": "PostgreSQL",
    "psql": "PostgreSQL",
    "mysql": "MySQL",
    "mariadb": "MariaDB",
    "mongorestore": "MongoDB",
}
_EVERYTHING: Final = frozenset({"restic", "borg", "borgmatic", "duplicity", "kopia", "rclone"})
_UNPACKS: Final = frozenset(
    {"gunzip", "zcat", "gzcat", "gzip", "pigz", "xzcat", "zstdcat", "zstd", "unzip", "cat", "bzcat", "pv"}
)
_COPIES: Final = frozenset({"tar", "cp", "rsync", "zip"})
_ABOUT: Final = lazy_re(r"restore|backup|dump|import|recover", re.I)
_DUMP_FILE: Final = lazy_re(
    r"\.(?:sql|dump|bak|pgdump|backup|custom|archive)(?:\.(?:gz|xz|zst|bz2))?$|backup|dump", re.I
)
_BACKUP_IMAGES: Final = lazy_re(r"backup|restic|borgmatic|pgbackrest|wal-g|barman|walg")
_MOST: Final = 300


@frozen(kw_only=False)
class Job:
    """A dump or a restore. `call` stands in `text`; `inner` is its place in a shell inside of the call, None when it is
    the call itself; `store` the name of the table in rules/data.yml, `*` for tools that copy everything."""

    text: ShellText
    call: Call
    program: Program
    store: str
    restores: bool
    raw: bool = False

    @property
    def place(self) -> Call:
        """The call whose pipeline and redirects are those of the program."""
        return self.program.inner or self.call

    @property
    def container(self) -> EngineCall | None:
        """The innermost `exec` or `run` around it."""
        return self.program.through[-1] if self.program.through else None

    @property
    def automatic(self) -> bool:
        """Whether it runs without somebody who reads what it prints: not a line of documentation."""
        return self.text.kind is not ShellKind.README


def find_jobs(setup: Setup) -> tuple[Job, ...]:
    """Every dump and restore, text by text; at most 300."""
    found: list[Job] = []
    for text in setup.shells:
        for call in text.calls:
            for program in programs(call, text.forwards):
                job = _job(setup, text, call, program)
                if job is not None:
                    found.append(job)
                if len(found) >= _MOST:
                    return tuple(found)
    return tuple(found)


def _job(setup: Setup, text: ShellText, call: Call, program: Program) -> Job | None:
    name, words = program.name, program.words
    if any(word in ("--version", "--help", "-V") for word in words[1:2]):
        return None
    if name in _DUMPS and _really_dumps(name, words):
        return Job(text, call, program, _DUMPS[name], restores=False)
    if name in _EVERYTHING and any(word in ("backup", "create", "sync", "copy") for word in words[1:4]):
        return Job(text, call, program, "*", restores=False)
    if name in _RESTORES and _really_restores(text, call, program):
        return Job(text, call, program, _RESTORES[name], restores=True)
    if name in _COPIES or (name == "docker" and words[1:2] == ("cp",)):
        store = _copied_store(setup, text, call, program)
        return Job(text, call, program, store, restores=False, raw=True) if store else None
    return None


def _really_dumps(name: str, words: tuple[str, ...]) -> bool:
    needed = {"etcdctl": "save", "neo4j-admin": "dump"}.get(name)
    return needed is None or needed in words


def _really_restores(text: ShellText, call: Call, program: Program) -> bool:
    """A client that reads a dump: a file, or what another program unpacks; not a query."""
    words = program.words
    if program.name in ("pg_restore", "mongorestore"):
        return not any(word in ("-l", "--list") for word in words)
    if any(re.match(r"-[a-zA-Z]*c$|--command|-e$|--execute|-l$|--list", word) for word in words[1:]):
        return False
    place = program.inner or call
    named = f"{text.name} {call.function or ''}"
    files = [word for at, word in enumerate(words) if words[at - 1] in ("-f", "--file") and at]
    files += [
        redirect.target.shape
        for redirect in (*place.redirects, *call.redirects)
        if redirect.operator == "<" and redirect.target
    ]
    if place.heredoc is not None or call.heredoc is not None:
        return False
    about = bool(_ABOUT.search(named)) or any(_DUMP_FILE.search(file) and "init" not in file for file in files)
    fed = bool(files) or _fed(text, call) or _fed(text, place)
    return fed and about and not re.search(r"migrat|schema|seed|fixture|init", " ".join((named, *files)), re.I)


def _fed(text: ShellText, call: Call) -> bool:
    """Whether the program before it in the pipeline unpacks a file."""
    if call.place == 0:
        return False
    before = (
        one for one in text.calls if one.pipe == call.pipe and one.place < call.place and one.function == call.function
    )
    return any(one.words and one.words[0].text in _UNPACKS for one in before)


def _copied_store(setup: Setup, text: ShellText, call: Call, program: Program) -> str | None:
    """The store whose live files a `tar`, `cp` or `docker cp` copies to somewhere else."""
    if not re.search(
        r"backup|bak|dump|archive|snapshot", f"{text.name} {call.function or ''} {' '.join(program.words)}", re.I
    ):
        return None
    if program.name == "tar" and not re.match(
        r"-?[a-zA-Z]*c|--create", program.words[1] if len(program.words) > 1 else ""
    ):
        return None
    sources = [word for word in program.words[1:] if not word.startswith("-")]
    mounted = [mount for engine in program.through for mount in _mounts(engine)]
    for stateful in stateful_services(setup):
        folder = stateful.holder.source if stateful.holder is not None else None
        names = {folder, f"{stateful.compose.name.value}_{folder}" if stateful.compose.name else None} - {None}
        if stateful.store.keeps != "record" or folder is None:
            continue
        if any(_volume_is(name, folder, names) for name in mounted):
            return stateful.store.name
        inside = bool(program.through) or program.name == "docker"
        paths = [
            source.rpartition(":")[2] if program.name == "docker" else source
            for source in sources[: None if program.name == "tar" else -1]
        ]
        if any(inside and within(stateful.data, path.rstrip("/")) and len(path) > 4 for path in paths):
            return stateful.store.name
        plain = folder.lstrip("./").rstrip("/")
        if (
            stateful.holder is not None
            and stateful.holder.kind == "bind"
            and plain
            and any(path.lstrip("./").rstrip("/") == plain for path in paths)
        ):
            return stateful.store.name
    return None


def _volume_is(name: str, folder: str, names: set[str | None]) -> bool:
    return name in names or name.endswith((f"_{folder}", f"-{folder}"))


def _mounts(engine: EngineCall) -> Iterator[str]:
    """Sources of `-v NAME:/path` and `--mount source=NAME,…`."""
    for key, value in engine.given:
        if key in ("-v", "--volume") and value:
            yield value.partition(":")[0]
        elif key == "--mount" and value:
            yield from (part.partition("=")[2] for part in value.split(",") if part.startswith(("source=", "src=")))


def pipeline(job: Job) -> list[Call]:
    """The calls of the pipeline that the job's program stands in, in order."""
    place = job.place
    around = job.program.siblings if job.program.inner is not None else job.text.calls
    same = [one for one in around if one.pipe == place.pipe and one.function == place.function]
    return sorted(same, key=lambda one: one.place) or [place]


def output(job: Job) -> Redirect | None:
    """The redirect that the dump's bytes end in: that of the last program of its pipeline, inside or outside."""
    outer = [one for one in job.text.calls if one.pipe == job.call.pipe and one.function == job.call.function]
    last = max(outer, key=lambda one: one.place, default=job.call)
    inside = pipeline(job)[-1].redirects if job.program.inner is not None else ()
    for redirect in reversed((*last.redirects, *inside)):
        if redirect.operator in (">", ">>", ">|") and redirect.descriptor in (None, 1) and redirect.target is not None:
            return redirect
    return None


def backup_services(setup: Setup) -> list[str]:
    """Services whose image is there to make backups."""
    return [
        service.name
        for compose in setup.composes
        for service in compose.services.values()
        if service.image is not None and _BACKUP_IMAGES.search(service.image.value.rpartition("/")[2])
    ]
