"""Edits of scripts for findings on backups: an option after a program, an option of the shell, a temporary name.

In: jobs. Out: edits of the file, or none where the text in the file is not the one that was parsed.
"""

from __future__ import annotations

import re
from typing import Final

from imgscan.diff import Edit
from imgscan.lazyre import lazy_re
from imgscan.project.mend import patch_of
from imgscan.project.setup import Setup
from imgscan.project.shell.records import Call, Redirect, ShellKind, ShellText

_SET: Final = lazy_re(r"^set -(?P<letters>[A-Za-z]*)(?P<rest>[ \t]*)$", re.M)


def same_text(setup: Setup, text: ShellText, call: Call) -> str | None:
    """The file's text when the offsets of a call are those of the file."""
    source = setup.tree.text(text.file)
    if text.kind is not ShellKind.SCRIPT or source is None:
        return None
    return source if source[call.start : call.end] == text.text[call.start : call.end] else None


def span(setup: Setup, text: ShellText, call: Call) -> tuple[str, int, int] | None:
    """The file, and where the lines of a call are in it; exact for scripts, whole lines for other texts."""
    source = setup.tree.text(text.file)
    if source is None:
        return None
    if same_text(setup, text, call) is not None:
        return source, call.start, call.end
    lines = source.split("\n")
    start = sum(len(line) + 1 for line in lines[: call.line - 1])
    return source, start, start + sum(len(line) + 1 for line in lines[call.line - 1 : call.end_line])


def after_program(setup: Setup, text: ShellText, call: Call, program: str, options: str) -> str | None:
    """The patch that puts options after a program's name, where the call names it once."""
    found = span(setup, text, call)
    if found is None:
        return None
    source, start, end = found
    places = list(re.finditer(rf"(?<![\w./-]){re.escape(program)}(?![\w.-])", source[start:end]))
    if len(places) != 1:
        return None
    at = start + places[0].end()
    return patch_of(setup, text.file, [Edit(start=at, end=at, text=f" {options}")])


def replace_in_call(setup: Setup, text: ShellText, call: Call, pattern: str, made: str) -> str | None:
    """The patch that replaces the one match of a pattern in a call."""
    found = span(setup, text, call)
    if found is None:
        return None
    source, start, end = found
    places = list(re.finditer(pattern, source[start:end]))
    if len(places) != 1:
        return None
    one = places[0]
    return patch_of(setup, text.file, [Edit(start=start + one.start(), end=start + one.end(), text=one.expand(made))])


def pipefail_line(setup: Setup, text: ShellText) -> str:
    """The line of a script that sets `pipefail`: its own `set` line with it, or a new one. The new one has -e, too: a
    script that goes on after the pipeline ends with the status of what comes last."""
    found = _SET.search(setup.tree.text(text.file) or "")
    letters = found["letters"] if found is not None else ""
    return f"set -{letters}o pipefail" if letters and "o" not in letters else "set -eo pipefail"


def pipefail_edits(setup: Setup, text: ShellText) -> list[Edit]:
    """`pipefail_line` for a script of bash: in place of its `set -e…` line, or in a line of its own after the first."""
    source = setup.tree.text(text.file)
    if text.kind is not ShellKind.SCRIPT or source is None or "\r" in source:
        return []
    if text.shebang is None or not re.search(r"\b(?:ba|z|k)sh\b", text.shebang):
        return []
    found = _SET.search(source)
    line = pipefail_line(setup, text)
    if found is not None and found["letters"] and "o" not in found["letters"]:
        return [Edit(start=found.start(), end=found.end("letters"), text=line)]
    at = source.find("\n") + 1
    return [Edit(start=at, end=at, text=f"{line}\n")] if at else []


def renamed(setup: Setup, text: ShellText, call: Call, redirect: Redirect) -> str | None:
    """The patch that writes to `NAME.partial` and moves it to NAME when that has gone well."""
    source = same_text(setup, text, call)
    if source is None or redirect.target is None or not redirect.end or "\r" in source:
        return None
    raw = redirect.target.raw
    at = redirect.start + source[redirect.start : redirect.end].rfind(raw) + len(raw)
    line_end = source.find("\n", redirect.end)
    line_end = len(source) if line_end < 0 else line_end
    rest = source[redirect.end : line_end].strip()
    start = source.rfind("\n", 0, call.start) + 1
    indent = re.match(r"[ \t]*", source[start:])
    if (
        (rest and not rest.startswith("#"))
        or re.search(r"[;`)]|\bif\b|\bwhile\b", source[start : call.start])
        or call.guarded
    ):
        return None
    if "errexit" in call.options:
        move = f"\n{indent[0] if indent else ''}mv -- {raw}.partial {raw}"
    else:
        move = f" && mv -- {raw}.partial {raw}"
    return patch_of(
        setup,
        text.file,
        [Edit(start=at, end=at, text=".partial"), Edit(start=redirect.end, end=redirect.end, text=move)],
    )
