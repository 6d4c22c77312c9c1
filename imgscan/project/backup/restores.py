"""Restores that go on after errors or over live data, and those that nobody has written or run.

In: a `Setup` and its jobs. Out: findings.
"""

from __future__ import annotations

import posixpath
import re
from collections.abc import Iterator, Sequence
from typing import Final

from imgscan.lazyre import lazy_re
from imgscan.model import Evidence, Finding, Fix, Severity
from imgscan.project.backup.edits import after_program, replace_in_call
from imgscan.project.backup.jobs import Job
from imgscan.project.data.places import in_script, where
from imgscan.project.setup import Setup
from imgscan.project.shell.records import ShellKind, ShellText
from imgscan.rulebook import make_finding

_FRESH: Final = lazy_re(
    r"create\s+database|\bcreatedb\b|\bdropdb\b|drop\s+database|drop\s+schema|--clean\b|\s-c\b|--create\b|--drop\b|"
    r"drop owned|down\s+-v|volume\s+rm|replaced|scratch",
    re.I,
)
_VERIFIES: Final = lazy_re(
    r"pg_restore\s+(?:-l|--list)|(?:sha\d+|md5|b2)sum|shasum|gzip\s+-t|gunzip\s+-t|zstd\s+-t|--verify|pg_verifybackup|"
    r"verify|restic\s+check|borg\s+check|\[\s+-s\s|\[\[\s+-s\s|--dryRun|stat\s+-c\s*%s|wc\s+-c",
    re.I,
)
_RESTORE_NAME: Final = lazy_re(r"restore|recover|import", re.I)
_TRIAL: Final = lazy_re(r"verify|scratch|drill|test.?restore|restore.?test", re.I)


def detect(setup: Setup, jobs: Sequence[Job]) -> Iterator[Finding]:
    """Findings on each restore, then on what is not there."""
    for job in jobs:
        if job.restores:
            yield from _errors(setup, job)
            yield from _over_live(job)
    dumps = [
        job
        for job in jobs
        if not job.restores
        and job.text.kind in (ShellKind.SCRIPT, ShellKind.MAKE, ShellKind.COMPOSE, ShellKind.CRON, ShellKind.PACKAGE)
    ]
    if dumps:
        yield from _not_verified(setup, dumps)
        yield from _no_restore(setup, jobs, dumps)


def _errors(setup: Setup, job: Job) -> Iterator[Finding]:
    words = job.program.words
    if job.program.name == "psql":
        if (
            any("ON_ERROR_STOP" in word for word in words)
            or _one_transaction(words)
            or "ON_ERROR_STOP" in job.text.text
        ):
            return
        option = "-v ON_ERROR_STOP=1"
    elif job.program.name == "pg_restore":
        if any(word in ("-e", "--exit-on-error") for word in words) or _one_transaction(words) or _only_a_list(words):
            return
        option = "--exit-on-error"
    else:
        if job.program.name in ("mysql", "mariadb") and any(word in ("-f", "--force") for word in words):
            yield _errors_finding(setup, job, None)
        return
    yield _errors_finding(setup, job, option)


def _one_transaction(words: tuple[str, ...]) -> bool:
    return any(word in ("-1", "--single-transaction") or re.match(r"-[a-zA-Z]*1[a-zA-Z]*$", word) for word in words[1:])


def _only_a_list(words: tuple[str, ...]) -> bool:
    """`pg_restore -f file` writes SQL, and `-l` a list: no database is touched."""
    database = any(word in ("-d", "--dbname") or word.startswith(("-d", "--dbname=")) for word in words[1:])
    return not database and any(
        word in ("-f", "--file", "-l", "--list") or word.startswith("--file=") for word in words
    )


def _errors_finding(setup: Setup, job: Job, option: str | None) -> Finding:
    name = job.program.name
    if option is None:
        text = f"Leave --force out of the call of {name}."
        patch = replace_in_call(setup, job.text, job.call, r"\s+(?:--force|-f)(?=\s)", "")
    else:
        text = f"`{name} {option} --single-transaction`: the first error ends it, and nothing of it stays."
        patch = after_program(setup, job.text, job.call, name, option)
    return make_finding(
        "backup-restore-errors",
        message=f"{where(job.text)} restores with {name} {'--force' if option is None else f'without {option}'}: it "
        "goes on after errors, ends with status 0, and a truncated dump passes for a restored one.",
        location=in_script(job.text, job.call),
        evidence=Evidence.DERIVED if job.automatic else Evidence.PATTERN,
        identity=(job.text.file, job.text.name, name, job.call.function or ""),
        severity=None if job.automatic else Severity.LOW,
        fix=Fix(text=text, patch=patch),
    )


def _over_live(job: Job) -> Iterator[Finding]:
    if not job.automatic or job.store not in ("PostgreSQL", "MongoDB"):
        return
    if _FRESH.search(job.text.text):
        return
    yield make_finding(
        "backup-restore-over-live",
        message=f"{where(job.text)} restores with {job.program.name} into a database that it neither empties nor "
        "makes anew.",
        location=in_script(job.text, job.call),
        evidence=Evidence.PATTERN,
        identity=(job.text.file, job.text.name, job.program.name),
        fix=Fix(
            text="Create a new database, restore into it, and swap the two by `alter database … rename to …`; keep "
            "the replaced one until somebody has looked at the new."
        ),
    )


def _not_verified(setup: Setup, dumps: Sequence[Job]) -> Iterator[Finding]:
    if any(
        _VERIFIES.search(text.text) or _TRIAL.search(posixpath.basename(text.name)) for text in _about(setup, dumps)
    ):
        return
    first = dumps[0]
    yield make_finding(
        "backup-not-verified",
        message=f"nothing reads back what {where(first.text)} writes: no list of contents, no checksum, no trial "
        "restore.",
        location=in_script(first.text, first.call),
        evidence=Evidence.ABSENT,
        identity=(first.text.file, first.text.name),
        fix=Fix(
            text=f"After the dump: {_check_of(first)}, `sha256sum` beside it, and now and then a restore into a "
            "scratch database."
        ),
    )


def _check_of(job: Job) -> str:
    if job.store == "PostgreSQL":
        return "`pg_restore --list FILE >/dev/null` (custom format), or `gzip -t`"
    return "`gzip -t FILE`, or the tool's own check"


def _about(setup: Setup, dumps: Sequence[Job]) -> Iterator[ShellText]:
    """Texts that have to do with backups: those that dump, and those that say so in their name."""
    files = {job.text.file for job in dumps}
    found = {id(job.text): job.text for job in dumps}
    for text in setup.shells:
        named = re.search(r"backup|restore|dump|verify", f"{text.file} {text.name}", re.I)
        if text.kind is not ShellKind.README and (named or (text.file in files and text.kind is ShellKind.SCRIPT)):
            found[id(text)] = text
    yield from found.values()


def _no_restore(setup: Setup, jobs: Sequence[Job], dumps: Sequence[Job]) -> Iterator[Finding]:
    restores = [job for job in jobs if job.restores]
    named = [
        text
        for text in setup.shells
        if _RESTORE_NAME.search(f"{posixpath.basename(text.file)} {text.name}") and text.kind is not ShellKind.CI
    ]
    first = dumps[0]
    if not restores and not named and not _RESTORE_NAME.search(first.text.text.replace("pg_restore", "")):
        yield make_finding(
            "backup-no-restore",
            message=f"{where(first.text)} makes backups of {first.store if first.store != '*' else 'the data'}; "
            "nothing in the project restores one.",
            location=in_script(first.text, first.call),
            evidence=Evidence.ABSENT,
            identity=(first.text.file, first.text.name),
            fix=Fix(
                text="Write the restore beside it (`scripts/restore.sh FILE`): into a new database, swapped in when "
                "whole."
            ),
        )
        return
    if not _tried(setup):
        where_found = named[0] if named else restores[0].text if restores else first.text
        yield make_finding(
            "backup-never-restored",
            message=f"neither CI nor a script runs the restore of {where(where_found)} against a scratch database.",
            location=in_script(where_found),
            evidence=Evidence.ABSENT,
            identity=(where_found.file, where_found.name),
        )


def _tried(setup: Setup) -> bool:
    for text in setup.shells:
        if _TRIAL.search(f"{posixpath.basename(text.file)} {text.name}") and text.kind is not ShellKind.README:
            return True
        if text.kind is ShellKind.CI and re.search(r"restore|pg_restore", text.text):
            return True
    return False
