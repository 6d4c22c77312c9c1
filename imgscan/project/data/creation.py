"""Whether the project says how an external volume comes to be, and patches that have it created.

In: the shell texts. Out: yes or no; edits of the script that starts the containers, or a new one.
"""

from __future__ import annotations

import posixpath
import re
from collections.abc import Iterator
from typing import Final

from imgscan.diff import Edit
from imgscan.lazyre import lazy_re
from imgscan.project.setup import Setup
from imgscan.project.shell.enginewords import EngineCall, engine_call
from imgscan.project.shell.glob import is_known
from imgscan.project.shell.peel import programs
from imgscan.project.shell.records import Call, ShellKind, ShellText

_PROSE: Final = (
    *(".md", ".markdown", ".txt", ".rst", ".adoc", ".ps1", ".bat", ".cmd"),
    *(".py", ".js", ".mjs", ".ts", ".yml", ".yaml", ".tf"),
)
_NAMES: Final = frozenset({"justfile", "Justfile", "Taskfile", "Rakefile", "Vagrantfile", "README"})
_CREATES: Final = lazy_re(r"volume[\"', \]]+create\b|docker_volume\b|docker_volumes?:|volumes\.create\(")
_PLAIN_NAME: Final = lazy_re(r"[A-Za-z0-9][A-Za-z0-9_.-]*\Z", re.A)
_MOST_FILES: Final = 2_000


def engine_calls(setup: Setup) -> Iterator[tuple[ShellText, Call, EngineCall]]:
    """Every call to an engine in the shell texts."""
    for text in setup.shells:
        for call in text.calls:
            for program in programs(call, text.forwards):
                found = engine_call(program.words)
                if found is not None:
                    yield text, call, found


def creates(setup: Setup, name: str) -> bool:
    """Whether something creates the volume; a name that only a run would tell counts for any."""
    for _, _, call in engine_calls(setup):
        if call.verb == "volume create":
            given = [*call.arguments, *(value for key, value in call.options.items() if key == "--name" and value)]
            if any(one == name or not is_known(one) for one in given):
                return True
    return any(_CREATES.search(text) and name in text for text in _other_texts(setup))


def _other_texts(setup: Setup) -> Iterator[str]:
    """Texts that are no shell, and may still say it."""
    found = 0
    for path in setup.tree.files:
        file = posixpath.basename(path)
        if file.lower().endswith(_PROSE) or file.partition(".")[0] in _NAMES:
            found += 1
            if found > _MOST_FILES:
                return
            yield setup.tree.text(path) or ""


def creation_edits(setup: Setup, name: str) -> tuple[dict[str, list[Edit]], dict[str, str]]:
    """Edits of files and new files after which a script creates the volume; both empty for a name that is no plain
    one."""
    if not _PLAIN_NAME.match(name):
        return {}, {}
    for text, call, engine in engine_calls(setup):
        if text.kind is not ShellKind.SCRIPT or not engine.compose or engine.verb != "up" or text.broken:
            continue
        source = setup.tree.text(text.file)
        if source is None or "\r" in source or source[call.start : call.end] != text.text[call.start : call.end]:
            continue
        start = source.rfind("\n", 0, call.start) + 1
        indent = source[start : call.start]
        if indent.strip() == "" and call.piped == 1 and not source[:start].endswith(("\\\n", "|\n", "&&\n", "||\n")):
            line = f"{indent}docker volume create {name} >/dev/null\n"
            return {text.file: [Edit(start=start, end=start, text=line)]}, {}
    path = "scripts/create-volumes.sh"
    return {}, {path: _script(name)}


def _script(name: str) -> str:
    return (
        "#!/bin/sh\n# Run it once before `docker compose up`: compose does not create external volumes, and so "
        f"cannot delete them.\nset -eu\ndocker volume create {name} >/dev/null\n"
    )
