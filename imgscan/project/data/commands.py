"""Commands that delete data without a question: in scripts, package scripts, make targets, CI, the README.

In: a `Setup`. Out: findings; how bad depends on whether somebody asked for it by name, and on what is there to lose.
"""

from __future__ import annotations

import posixpath
import re
from collections.abc import Iterator
from typing import Final

from imgscan.diff import Edit
from imgscan.frozen import frozen
from imgscan.lazyre import lazy_re
from imgscan.model import Confidence, Evidence, Finding, Fix, Severity
from imgscan.project.compose.records import Volume
from imgscan.project.data.places import in_script, where, written_call
from imgscan.project.data.removal import Removal, Removes, removal
from imgscan.project.data.stores import Stateful, stateful_services
from imgscan.project.data.storetable import within
from imgscan.project.data.volumes import data_volumes, volume_name
from imgscan.project.mend import patch_of
from imgscan.project.setup import Setup
from imgscan.project.shell.enginewords import EngineCall, engine_call
from imgscan.project.shell.glob import head, is_known, tail
from imgscan.project.shell.peel import Program, programs
from imgscan.project.shell.records import Call, ShellKind, ShellText
from imgscan.rulebook import make_finding

_SAYS_SO: Final = lazy_re(
    r"clean|clear|wipe|reset|purge|destroy|delete|remove|nuke|prune|drop|erase|fresh|uninstall|teardown|tear-down|rm\b|"
    r"test|e2e|integration|smoke|bench|(?:^|[-_:./])ci(?:$|[-_:./])|demo|example|seed|recreate|rebuild",
    re.I,
)
_DATA_FOLDER: Final = lazy_re(
    r"(?:^|/)(?:pg|postgres|mysql|maria|mongo|redis|db)[-_]?data(?:/|$|\*)|(?:^|/)pgdata(?:/|$)", re.I
)
_VOLUMES_FLAG: Final = lazy_re(r"[ \t]+(?:-v|--volumes)(?=[ \t\"';&|)]|$)")
_MOST: Final = 200


@frozen(kw_only=False)
class _Stake:
    """What there is to lose: managed volumes with their stores, names of all data volumes, folders with data."""

    managed: tuple[tuple[Stateful, Volume], ...]
    names: frozenset[str]
    folders: frozenset[str]


def detect(setup: Setup) -> Iterator[Finding]:
    """One finding per text and command, at most 200."""
    if not setup.composes:
        return
    stake = _stake(setup)
    seen: set[tuple[str, str, str]] = set()
    for text in setup.shells:
        for call in text.calls:
            if call.guarded or len(seen) >= _MOST:
                continue
            for program in programs(call, text.forwards):
                what = _deletes(program, stake)
                key = (text.file, text.name, written_call(text, call))
                if what is not None and key not in seen:
                    seen.add(key)
                    yield _finding(setup, stake, text, call, program, what)


def _stake(setup: Setup) -> _Stake:
    volumes = list(data_volumes(setup))
    folders = {
        posixpath.normpath(stateful.holder.source)
        for stateful in stateful_services(setup)
        if stateful.holder is not None and stateful.holder.kind == "bind" and stateful.holder.source is not None
    }
    return _Stake(
        managed=tuple((stateful, volume) for stateful, volume in volumes if not volume.external),
        names=frozenset(volume_name(setup, stateful, volume) for stateful, volume in volumes),
        folders=frozenset(folder for folder in folders if folder not in (".", "/")),
    )


def _deletes(program: Program, stake: _Stake) -> Removal | None:
    """What of the project's data a program deletes; None when nothing, or when nothing says that it does."""
    engine = engine_call(program.words)
    if engine is not None:
        found = removal(engine)
        if found is None or found.removes is Removes.ANONYMOUS or program.remote:
            return None
        if found.removes is Removes.NAMED:
            ours = [name for name in found.names if not is_known(name) or _named_so(name, stake.names)]
            return Removal(Removes.NAMED, tuple(ours)) if ours else None
        return found
    if program.name == "rm" and not program.through and _recursive(program.words):
        paths = [word for word in program.words[1:] if not word.startswith("-")]
        gone = [path for path in paths if _is_data(path, stake)]
        return Removal(Removes.NAMED, tuple(gone)) if gone else None
    return None


def _named_so(name: str, names: frozenset[str]) -> bool:
    return name in names or any(own.endswith(f"_{name}") for own in names)


def _recursive(words: tuple[str, ...]) -> bool:
    options = [word for word in words[1:] if word.startswith("-")]
    return any(word == "--recursive" or (not word.startswith("--") and re.search("[rR]", word)) for word in options)


def _is_data(path: str, stake: _Stake) -> bool:
    known = tail(path) if not is_known(path) else path
    if not known.strip("/*."):
        return False
    plain = posixpath.normpath(known.rstrip("*").rstrip("/") or known).lstrip("./")
    return any(within(folder, plain) for folder in stake.folders) or bool(_DATA_FOLDER.search(known))


def _finding(setup: Setup, stake: _Stake, text: ShellText, call: Call, program: Program, what: Removal) -> Finding:
    engine = engine_call(program.words)
    severity, confidence = _weight(stake, text, call, engine, what)
    lost = _lost(stake, engine, what)
    return make_finding(
        "data-destructive-command",
        message=f"{where(text)} runs `{written_call(text, call)}` without a question: it deletes {lost}.",
        location=in_script(text, call),
        evidence=Evidence.PATTERN,
        identity=(text.file, text.name, written_call(text, call)),
        severity=severity,
        confidence=confidence,
        fix=Fix(text=_advice(text, engine, what), patch=_patch(setup, text, call, engine)),
    )


def _weight(
    stake: _Stake, text: ShellText, call: Call, engine: EngineCall | None, what: Removal
) -> tuple[Severity, Confidence]:
    """High where a name that promises no deletion deletes a database; low where there is nothing to lose, and where
    machines are thrown away anyway."""
    if text.kind is ShellKind.CI:
        return Severity.INFO, Confidence.MEDIUM
    at_stake = bool(stake.managed) if what.removes is not Removes.NAMED else True
    if not at_stake:
        return Severity.LOW, Confidence.MEDIUM
    if text.kind is ShellKind.README:
        return Severity.LOW, Confidence.HIGH
    name = f"{posixpath.basename(text.name)} {call.function or ''}"
    records = any(stateful.records for stateful, _ in stake.managed)
    harmless_name = not _SAYS_SO.search(name) and not call.conditional
    if harmless_name and what.removes is Removes.MANAGED and records and engine is not None and _whole_project(engine):
        return Severity.HIGH, Confidence.HIGH
    return Severity.MEDIUM, Confidence.HIGH if records else Confidence.MEDIUM


def _whole_project(engine: EngineCall) -> bool:
    """Whether the call is about the project that is run every day: no test file, no project name of its own."""
    given = " ".join(str(value) for name, value in engine.globals if name in ("-f", "--file", "-p", "--project-name"))
    return not _SAYS_SO.search(given) and not any(name in ("-p", "--project-name") for name, _ in engine.globals)


def _lost(stake: _Stake, engine: EngineCall | None, what: Removal) -> str:
    if engine is None:
        return f"the data in {', '.join(_shown(name) for name in what.names)}"
    if what.removes is Removes.NAMED:
        return f"the volume {', '.join(_shown(name) for name in what.names)}"
    if what.removes is Removes.UNUSED:
        return "every volume that no container uses at that moment, data volumes among them"
    names = sorted(
        {f"{volume.name} ({stateful.store.name} of {stateful.service.name})" for stateful, volume in stake.managed}
    )
    return f"the volumes that compose manages{': ' + ', '.join(names[:4]) if names else ''}"


def _shown(name: str) -> str:
    """A name with its unknown parts as an ellipsis."""
    return (
        name
        if is_known(name)
        else f"{head(name)}…{tail(name)}"
        if head(name) or tail(name)
        else "that a variable names"
    )


def _advice(text: ShellText, engine: EngineCall | None, what: Removal) -> str:
    if what.removes is Removes.MANAGED:
        return (
            f"Leave -v out of {where(text)}. Give deletion a command of its own that needs a terminal, makes a backup "
            "and asks for the volume's name."
        )
    return (
        f"Let {where(text)} ask first: `[ -t 0 ] || exit 3`, then `read -r answer` and a comparison with the volume's "
        "name, after a backup."
    )


def _patch(setup: Setup, text: ShellText, call: Call, engine: EngineCall | None) -> str | None:
    """The flag taken out of the line it stands in, where it stands there as such."""
    if engine is None or not engine.compose or engine.verb != "down":
        return None
    source = setup.tree.text(text.file)
    if source is None:
        return None
    lines = source.split("\n")
    start = sum(len(line) + 1 for line in lines[: call.line - 1])
    for line in lines[call.line - 1 : call.end_line]:
        found = re.search(r"\bdown\b", line)
        flag = _VOLUMES_FLAG.search(line, found.end()) if found else None
        if flag is not None:
            return patch_of(setup, text.file, [Edit(start=start + flag.start(), end=start + flag.end(), text="")])
        start += len(line) + 1
    return None
