"""Where backups are kept, what deletes them, and the form of the scripts that make them.

In: a `Setup` and its jobs. Out: findings.
"""

from __future__ import annotations

import posixpath
import re
from collections.abc import Iterator, Sequence
from typing import Final

from imgscan.diff import Edit
from imgscan.dockerfile.ignore import is_ignored, parse_ignore
from imgscan.errors import InputError
from imgscan.lazyre import lazy_re
from imgscan.model import Evidence, Finding, Fix
from imgscan.project.backup.jobs import Job, backup_services, output
from imgscan.project.data.places import in_script, where, written_call
from imgscan.project.data.stores import stateful_services
from imgscan.project.data.storetable import within
from imgscan.project.mend import patch_of
from imgscan.project.mendfiles import mode_patch, patch_of_files
from imgscan.project.setup import Setup
from imgscan.project.shell.glob import is_known, tail
from imgscan.project.shell.records import Call, ShellKind, ShellText
from imgscan.rulebook import make_finding

_BACKUP: Final = lazy_re(r"backup|dump|\.sql|\.gz\b|\.bak\b", re.I)
_LOCK: Final = lazy_re(
    r"\b(?:flock|lockfile|shlock|setlock|lockf)\b|\bnoclobber\b|\bset\s+-[a-zA-Z]*C|\b(?:mkdir|ln)\s[^\n;|&]*lock"
)
_PRIVATE: Final = lazy_re(r"umask\s+0?[0-7]*77\b|chmod\s+(?:0?[0-7]00|go-rwx|600)|mktemp|install\s+-m\s*0?600")


def detect(setup: Setup, jobs: Sequence[Job]) -> Iterator[Finding]:
    """Retention, places, forms of scripts, stores that are left out."""
    dumps = [job for job in jobs if not job.restores and job.automatic]
    yield from _retention(setup, dumps)
    yield from _places(setup, dumps)
    yield from _forms(setup, jobs)
    yield from _left_out(setup, dumps)


def _retention(setup: Setup, dumps: Sequence[Job]) -> Iterator[Finding]:
    texts = {job.text.file for job in dumps}
    for text in setup.shells:
        if text.kind is ShellKind.README or not (text.file in texts or _BACKUP.search(text.name)):
            continue
        for call in text.calls:
            if _deletes_by_age(text, call) and not _after_success(call, [job for job in dumps if job.text is text]):
                yield make_finding(
                    "backup-retention-by-age",
                    message=f"{where(text)} deletes by age, `{written_call(text, call, 80)}`, whether or not a new "
                    "backup was made: after a week of failures the last good one goes.",
                    location=in_script(text, call),
                    evidence=Evidence.PATTERN,
                    identity=(text.file, text.name, written_call(text, call)),
                    fix=Fix(
                        text="Delete after a successful dump only (`set -e` before it, the deletion after it), and "
                        "by number: list the backups newest first and delete from the 15th on."
                    ),
                )


def _deletes_by_age(text: ShellText, call: Call) -> bool:
    words = [word.shape for word in call.words]
    if (
        not words
        or words[0] != "find"
        or not any(re.fullmatch(r"-[mc](?:time|min)|-!?-?newer\w*", word) for word in words)
    ):
        return False
    removes = "-delete" in words or any(word == "rm" for word in words)
    removes = removes or any(
        one.pipe == call.pipe and one.place > call.place and any(word.text == "rm" for word in one.words)
        for one in text.calls
    )
    return removes and bool(_BACKUP.search(" ".join((*words, text.name))))


def _after_success(call: Call, dumps: Sequence[Job]) -> bool:
    """Whether the deletion is not reached when the dump fails."""
    before = [job for job in dumps if job.call.start < call.start and job.call.function == call.function]
    return bool(before) and all(
        "errexit" in job.call.options
        and not job.call.ignored
        and (job.place.piped < 2 or "pipefail" in job.place.options)
        for job in before
    )


def _places(setup: Setup, dumps: Sequence[Job]) -> Iterator[Finding]:
    private: set[str] = set()
    for job in dumps:
        redirect = output(job)
        if redirect is None or redirect.target is None:
            continue
        inside = job.program.inner is not None and bool(job.program.through) and not job.call.redirects
        if inside:
            yield from _same_volume(setup, job, redirect.target.shape)
            continue
        if (
            job.text.kind is ShellKind.SCRIPT
            and job.text.file not in private
            and not _PRIVATE.search(_with_sources(setup, job))
        ):
            private.add(job.text.file)
            yield _readable(setup, job)
        yield from _in_context(setup, job, redirect.target.shape)


def _with_sources(setup: Setup, job: Job) -> str:
    return "\n".join([job.text.text, *((setup.tree.text(path) or "") for path in job.text.sources)])


def _readable(setup: Setup, job: Job) -> Finding:
    source = setup.tree.text(job.text.file) or ""
    patch = None
    at = 0
    for found in re.finditer(r"[^\n]*\n", source):
        if not re.match(r"#|\s*$|set -", found[0]):
            break
        if found[0].startswith(("#!", "set -")):
            at = found.end()
    if at and "\r" not in source:
        patch = patch_of(setup, job.text.file, [Edit(start=at, end=at, text="umask 077\n")])
    return make_finding(
        "backup-readable",
        message=f"{where(job.text)} writes dumps that every user of the machine may read.",
        location=in_script(job.text, job.call),
        evidence=Evidence.PATTERN,
        identity=(job.text.file,),
        fix=Fix(text=f"`umask 077` at the top of {job.text.file}.", patch=patch),
    )


def _same_volume(setup: Setup, job: Job, target: str) -> Iterator[Finding]:
    for stateful in stateful_services(setup):
        holder = stateful.holder
        if stateful.store.name != job.store or holder is None or not is_known(target.rpartition("/")[0]):
            continue
        if within(posixpath.normpath(target.rpartition("/")[0] or "."), holder.target):
            yield make_finding(
                "backup-same-volume",
                message=f"{where(job.text)} writes the dump to {target.rpartition('/')[0]} in "
                f"{stateful.service.name}: that is in the volume that it is a backup of.",
                location=in_script(job.text, job.call),
                evidence=Evidence.DERIVED,
                identity=(job.text.file, job.text.name, stateful.service.name),
            )
            return


def _in_context(setup: Setup, job: Job, target: str) -> Iterator[Finding]:
    """A path relative to the project (by a folder that exists, or by a variable for the project's root before it)."""
    known = tail(target) if not is_known(target) else target
    path = posixpath.normpath(known.lstrip("/")) if not is_known(target) and known.startswith("/") else known
    if not is_known(target) and not known.startswith("/"):
        path = target.split("\0", 1)[0].split("\1", 1)[0]
    path = posixpath.normpath(path) if path else ""
    folder = path if target.endswith("/") or path.endswith("/") else posixpath.dirname(path)
    if not path or path.startswith(("/", "..")) or not folder or folder.startswith("tmp"):
        return
    for context in _contexts(setup):
        if not within(folder, context or folder):
            continue
        relative = posixpath.relpath(folder, context) if context else folder
        file = posixpath.join(context, ".dockerignore") if context else ".dockerignore"
        text = setup.tree.text(file)
        if text is not None and _is_ignored(text, f"{relative}/{posixpath.basename(path) or 'backup.dump'}"):
            continue
        edits = (
            {file: [Edit(start=len(text), end=len(text), text=("" if text.endswith("\n") else "\n") + f"{relative}\n")]}
            if text is not None
            else {}
        )
        yield make_finding(
            "backup-in-context",
            message=f"{where(job.text)} writes dumps to {folder}, which lies in the build context {context or '.'} "
            "and is not ignored.",
            location=in_script(job.text, job.call),
            evidence=Evidence.DERIVED,
            identity=(job.text.file, folder, context),
            fix=Fix(
                text=f"Add `{relative}` at the end of {file}, or write the dumps outside of the project.",
                patch=patch_of_files(setup, edits, {} if text is not None else {file: f"{relative}\n"}),
            ),
        )
        return


def _is_ignored(text: str, path: str) -> bool:
    try:
        return is_ignored(parse_ignore(text), path)
    except InputError:
        return True


def _contexts(setup: Setup) -> list[str]:
    found = {
        service.build.context
        for compose in setup.composes
        for service in compose.services.values()
        if service.build is not None and service.build.context is not None
    }
    return sorted({"" if context == "." else context for context in found})


def _forms(setup: Setup, jobs: Sequence[Job]) -> Iterator[Finding]:
    seen: set[str] = set()
    for job in jobs:
        text = job.text
        if text.kind is not ShellKind.SCRIPT or text.file in seen:
            continue
        seen.add(text.file)
        source = setup.tree.text(text.file) or ""
        if "\r\n" in source:
            yield _crlf(setup, text, source)
        if text.shebang is None and not source.startswith("#!"):
            yield make_finding(
                "backup-no-shebang",
                message=f"{text.file} has no first line that names its shell.",
                location=in_script(text),
                evidence=Evidence.PATTERN,
                identity=(text.file,),
                fix=Fix(
                    text=f"Begin {text.file} with `#!/usr/bin/env bash`.",
                    patch=patch_of(setup, text.file, [Edit(start=0, end=0, text="#!/usr/bin/env bash\n")]),
                ),
            )
        callers = list(_callers(setup, text))
        if not text.executable and callers:
            yield _not_executable(text, callers[0])
        if any(caller.kind is ShellKind.CRON for caller in callers):
            yield from _relative(job)
            yield from _unlocked(text)


def _crlf(setup: Setup, text: ShellText, source: str) -> Finding:
    edits = [Edit(start=found.start(), end=found.end(), text="\n") for found in re.finditer("\r\n", source)]
    return make_finding(
        "backup-crlf",
        message=f"{text.file} has line ends of Windows: no Unix kernel starts it, and its words end in a carriage "
        "return.",
        location=in_script(text),
        evidence=Evidence.DERIVED,
        identity=(text.file,),
        fix=Fix(
            text=f"`sed -i 's/\\r$//' {text.file}`, and `*.sh text eol=lf` in .gitattributes.",
            patch=patch_of(setup, text.file, edits),
        ),
    )


def _callers(setup: Setup, script: ShellText) -> Iterator[ShellText]:
    """Texts that call the script by its path, without naming a shell."""
    name = posixpath.basename(script.file)
    for text in setup.shells:
        for call in text.calls:
            word = call.words[0].shape if call.words else ""
            if "/" in word and posixpath.basename(tail(word) or word) == name and text.file != script.file:
                yield text


def _not_executable(text: ShellText, caller: ShellText) -> Finding:
    return make_finding(
        "backup-not-executable",
        message=f'{where(caller)} calls {text.file}, which may not be executed: "Permission denied".',
        location=in_script(text),
        evidence=Evidence.DERIVED,
        identity=(text.file,),
        fix=Fix(text=f"`git update-index --chmod=+x {text.file}`.", patch=mode_patch(text.file)),
    )


def _relative(job: Job) -> Iterator[Finding]:
    redirect = output(job)
    target = redirect.target if redirect is not None else None
    moves = any(call.words and call.words[0].text == "cd" for call in job.text.calls)
    if target is not None and target.text and not target.text.startswith(("/", "~")) and not moves:
        yield make_finding(
            "backup-relative-path",
            message=f"cron runs {job.text.file}, which writes to {target.text}, a path relative to wherever it is "
            "started.",
            location=in_script(job.text, job.call),
            evidence=Evidence.DERIVED,
            identity=(job.text.file, target.text),
        )


def _unlocked(text: ShellText) -> Iterator[Finding]:
    if _LOCK.search(text.text) is None:
        yield make_finding(
            "backup-no-lock",
            message=f"cron starts {text.file} at its time, also while the run before is still at it: both write, and "
            "both delete old backups.",
            location=in_script(text),
            evidence=Evidence.ABSENT,
            identity=(text.file,),
        )


def _left_out(setup: Setup, dumps: Sequence[Job]) -> Iterator[Finding]:
    covered = {job.store for job in dumps}
    if not covered or "*" in covered or backup_services(setup):
        return
    if covered & {"MySQL", "MariaDB"}:
        covered |= {"MySQL", "MariaDB"}
    all_text = "\n".join({id(job.text): job.text.text for job in dumps}.values())
    for stateful in stateful_services(setup):
        if not stateful.records or stateful.holder is None or stateful.store.name in covered:
            continue
        if stateful.service.name in all_text or (stateful.holder.source or "\0") in all_text:
            continue
        first = dumps[0]
        yield make_finding(
            "backup-partial",
            message=f"{where(first.text)} backs up {first.store}; nothing backs up {stateful.service.name} "
            f"({stateful.store.name}), which keeps data too.",
            location=in_script(first.text, first.call),
            evidence=Evidence.DERIVED,
            identity=(first.text.file, stateful.service.name),
        )
