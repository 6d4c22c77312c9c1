"""Dumps that fail without saying so: pipelines, terminals, final names, copies of live files, passwords.

In: a `Setup` and its jobs. Out: findings.
"""

from __future__ import annotations

import re
from collections.abc import Iterator, Sequence
from typing import Final

from imgscan.detect.words import is_placeholder
from imgscan.lazyre import lazy_re
from imgscan.model import Confidence, Evidence, Finding, Fix, Severity
from imgscan.project.backup.edits import pipefail_edits, pipefail_line, renamed, replace_in_call
from imgscan.project.backup.jobs import Job, output, pipeline
from imgscan.project.data.places import in_script, where
from imgscan.project.mend import patch_of
from imgscan.project.setup import Setup
from imgscan.project.shell.glob import is_known
from imgscan.project.shell.records import ShellKind, ShellText
from imgscan.rulebook import make_finding

_TEMPORARY: Final = lazy_re(r"tmp|temp|partial|\.part\b|\.new\b|mktemp|incomplete|/dev/|-$", re.I)
_DATED: Final = lazy_re(r"\$\(|date|stamp|time|`|\$\{?(?:now|ts|today)\b|%", re.I)
_BINARY: Final = lazy_re(r"^-F ?[cdt]|^--format=?(?:c|d|t)|--archive|^-Z|--gzip|custom$")
_STOPS: Final = lazy_re(
    r"\b(?:stop|pause|down)\b|pg_(?:start_backup|backup_start)|FLUSH TABLES WITH READ LOCK|fsyncLock"
)


def detect(setup: Setup, jobs: Sequence[Job]) -> Iterator[Finding]:
    """The findings, dump by dump."""
    for job in jobs:
        if job.restores:
            yield from _terminal(setup, job)
            continue
        if job.raw:
            yield from _raw_copy(job)
            continue
        yield from _pipeline(setup, job)
        yield from _terminal(setup, job)
        yield from _final_name(setup, job)
        yield from _password(job)


def _identity(job: Job) -> tuple[str, ...]:
    return (job.text.file, job.text.name, job.program.name, job.call.function or "")


def _pipeline(setup: Setup, job: Job) -> Iterator[Finding]:
    place = job.place
    if not job.automatic or place.piped < 2 or place.place == place.piped - 1 or "pipefail" in place.options:
        return
    if "PIPESTATUS" in job.text.text or "pipestatus" in job.text.text:
        return
    last = pipeline(job)[-1]
    after = last.words[0].shape if last.words and is_known(last.words[0].shape) else "the program after it"
    edits = pipefail_edits(setup, job.text) if job.program.inner is None else []
    yield make_finding(
        "backup-no-pipefail",
        message=f"{where(job.text)} pipes {job.program.name} into {after} without pipefail: when the dump fails, the "
        "status is that of the last program, 0, and an empty backup is kept.",
        location=in_script(job.text, job.call),
        evidence=Evidence.DERIVED,
        identity=_identity(job),
        confidence=None if job.text.kind in (ShellKind.SCRIPT, ShellKind.CRON) else Confidence.MEDIUM,
        fix=Fix(
            text=_pipefail_advice(setup, job, after), patch=patch_of(setup, job.text.file, edits) if edits else None
        ),
    )


def _pipefail_advice(setup: Setup, job: Job, after: str) -> str:
    if job.text.kind is ShellKind.MAKE:
        return "Put `SHELL := /bin/bash` and `.SHELLFLAGS := -eu -o pipefail -c` at the top of the Makefile."
    if job.program.inner is not None:
        return f"Give the shell inside `-o pipefail` (`bash -o pipefail -c`), or run {after} outside of the container."
    if job.text.shebang is not None and not re.search(r"\bbash\b", job.text.shebang):
        return (
            f"`set -o pipefail` where {job.text.shebang.split('/')[-1]} knows it (busybox does, dash does not yet); "
            f"else write {job.program.name}'s output to a file first and run {after} on it."
        )
    return f"`{pipefail_line(setup, job.text)}` at the top of {job.text.file}."


def _terminal(setup: Setup, job: Job) -> Iterator[Finding]:
    engine = job.container
    if engine is None or engine.verb != "exec":
        return
    bytes_pass = output(job) is not None or (job.restores and _reads(job)) or job.call.piped > 1
    if not bytes_pass or (job.program.inner is not None and job.program.inner.redirects and output(job) is None):
        return
    asked = engine.has("-t", "--tty")
    implied = engine.compose and not engine.has("-T", "--no-TTY", "--no-tty", "-d", "--detach")
    if not asked and not implied:
        return
    if not asked and engine.program != "docker-compose" and not job.automatic:
        return
    binary = any(_BINARY.search(word) for word in job.program.words[1:]) or job.program.name in (
        "pg_restore",
        "mongorestore",
    )
    what = "asks for a terminal (-t)" if asked else "does not say -T"
    yield make_finding(
        "backup-tty",
        message=f"{where(job.text)} passes the bytes of {job.program.name} through `{engine.program} "
        f"{'compose ' if engine.compose and engine.program == 'docker' else ''}exec`, which {what}: "
        f"{'a binary dump is damaged' if binary else 'line ends are changed'}, and without a terminal (cron, CI) it "
        "may fail.",
        location=in_script(job.text, job.call),
        evidence=Evidence.PATTERN,
        identity=_identity(job),
        severity=_terminal_severity(job, asked, binary),
        fix=Fix(
            text="Use `exec -T` (compose) or `exec` without -t, -i where something is read.",
            patch=_terminal_patch(setup, job, asked),
        ),
    )


def _terminal_severity(job: Job, asked: bool, binary: bool) -> Severity:
    if not job.automatic:
        return Severity.MEDIUM if asked and binary else Severity.LOW
    if asked and binary:
        return Severity.HIGH
    # The plugin looks whether its output is a terminal, the first generation always makes one; neither looks at the
    # input, which a restore reads from a file.
    first_generation = job.container is not None and job.container.program == "docker-compose"
    return Severity.MEDIUM if asked or first_generation or job.restores else Severity.LOW


def _reads(job: Job) -> bool:
    return job.call.place > 0 or any(redirect.operator == "<" for redirect in job.call.redirects)


def _terminal_patch(setup: Setup, job: Job, asked: bool) -> str | None:
    engine = job.container
    if engine is None:
        return None
    if engine.compose and not asked:
        return replace_in_call(setup, job.text, job.call, r"\bexec(?=\s)", "exec -T")
    if engine.compose:
        return replace_in_call(setup, job.text, job.call, r"\bexec\s+-(?:it|ti|t)(?=\s)", "exec -T")
    if engine.has("-i", "--interactive"):
        return replace_in_call(setup, job.text, job.call, r"\bexec(\s+)-(?:it|ti)(?=\s)", r"exec\1-i")
    return replace_in_call(setup, job.text, job.call, r"\bexec\s+-t(?=\s)", "exec")


def _final_name(setup: Setup, job: Job) -> Iterator[Finding]:
    redirect = output(job)
    if redirect is None or redirect.target is None or not job.automatic or job.program.inner is not None:
        return
    raw = redirect.target.raw
    if _TEMPORARY.search(raw) or _TEMPORARY.search(redirect.target.shape) or _is_moved(job.text, raw):
        return
    dated = bool(_DATED.search(raw) or not is_known(redirect.target.shape))
    yield make_finding(
        "backup-final-name",
        message=f"{where(job.text)} writes the dump straight to {raw}: a run that fails "
        f"{'leaves a part of a dump that looks like a backup' if dated else 'destroys the last good backup'}.",
        location=in_script(job.text, job.call),
        evidence=Evidence.PATTERN,
        identity=(*_identity(job), raw),
        severity=Severity.LOW if dated else None,
        fix=Fix(
            text=f"Write to {raw}.partial and `mv` it to {raw} when the dump is whole.",
            patch=renamed(setup, job.text, job.call, redirect),
        ),
    )


def _is_moved(text: ShellText, raw: str) -> bool:
    plain = raw.strip("\"'")
    for call in text.calls:
        if (
            call.words
            and call.words[0].text in ("mv", "rename", "install")
            and any(plain and plain in word.raw for word in call.words[1:-1])
        ):
            return True
    return False


def _raw_copy(job: Job) -> Iterator[Finding]:
    before = job.text.text[: job.call.start]
    if _STOPS.search(before) or (not job.automatic and _STOPS.search(job.text.text)):
        return
    yield make_finding(
        "backup-raw-copy",
        message=f"{where(job.text)} copies the files of {job.store} with {job.program.name} while the server runs: "
        "the copy may not be a state that the server ever had.",
        location=in_script(job.text, job.call),
        evidence=Evidence.PATTERN,
        identity=_identity(job),
        severity=None if job.automatic else Severity.LOW,
        fix=Fix(
            text=f"Dump {job.store} with its own program from inside its container, or stop the service while its "
            "files are copied, and start it again whatever happens (`trap`)."
        ),
    )


def _password(job: Job) -> Iterator[Finding]:
    given = [word for word in job.program.words[1:] if re.match(r"-p.|--password=.", word)]
    given += [
        part
        for part in (*job.call.assignments, *job.place.assignments)
        if re.match(r"(?:PGPASSWORD|MYSQL_PWD)=.", part)
    ]
    for engine in job.program.through:
        given += [
            value
            for key, value in engine.given
            if key in ("-e", "--env") and value and "PASSW" in value.partition("=")[0]
        ]
    for text in given:
        value = text.partition("=")[2] if "=" in text else text[2:]
        value = value.strip("\"'")
        if job.program.name.startswith("pg_") and text.startswith("-p"):
            continue
        if not value or not is_known(value) or value.startswith("$") or is_placeholder(value) or len(value) < 4:
            continue
        yield make_finding(
            "backup-password",
            message=f"{where(job.text)} gives {job.program.name} a password that stands in the file, line "
            f"{job.call.line}.",
            location=in_script(job.text, job.call),
            evidence=Evidence.PATTERN,
            identity=_identity(job),
            fix=Fix(
                text="Run the dump inside the container over its socket, or read the password from a file that is "
                "not in git (PGPASSFILE, --defaults-extra-file). Change the one that was written down."
            ),
        )
        return
