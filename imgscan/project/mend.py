"""Changes of compose files and others as patches: edits at marks, kept in the file's own style. Pure.

In: the `Setup` and where something stands. Out: edits, and a unified diff; none where the file is written in a way that
an edit by place would break (flow style), or where the diff would show a secret.
"""

from __future__ import annotations

import re
from collections.abc import Iterable, Sequence
from typing import Final

from imgscan.detect.words import is_placeholder, is_secret_name
from imgscan.diff import Edit, FileChange, apply_edits, diff_without
from imgscan.lazyre import lazy_re
from imgscan.project.compose.records import Mark, Service
from imgscan.project.setup import Setup

_ASSIGNED: Final = lazy_re(r"([A-Za-z_][\w.-]{0,127})[\"']?[ \t]*[:=][ \t]*[\"']?([^\s\"'#]{1,500})")
# A variable, but none with a default that is written out: that is a value like any other.
_REFERENCE: Final = lazy_re(r"\$(?!\{\w{1,100}:?-[^}$])")
_CREDENTIALS: Final = lazy_re(r"://[^\s/:@\"']{0,200}:(?![\s$]|\$\{)[^\s@/\"']{1,200}@")
_FLOW_LIST: Final = lazy_re(r"([\"']?depends_on[\"']?)[ \t]*:\s*\[[^\[\]{}#\n]*\]")
_STEP: Final = "  "
_LONGEST: Final = 20_000
_LARGEST: Final = 128 << 10


def patch_of(setup: Setup, path: str, edits: Iterable[Edit]) -> str | None:
    """The diff of edits of one file; None if there is none to be made, they overlap, the file has more than 128 Ki
    characters, or the diff would show a secret."""
    text = setup.tree.text(path)
    if text is None or len(text) > _LARGEST:
        return None
    try:
        after = apply_edits(text, edits)
        text.encode("utf-8"), after.encode("utf-8")
    except ValueError:  # also of bytes that are no UTF-8: a diff could not be written as text
        return None
    if after == text:
        return None
    return diff_without((FileChange(path=path, before=text, after=after),), shows_secret)


def shows_secret(text: str) -> bool:
    """Whether a text has a value of a name that says it is secret, or a URL with a password."""
    if _CREDENTIALS.search(text):
        return True
    return any(
        is_secret_name(found[1]) and not _REFERENCE.match(found[2]) and not is_placeholder(found[2])
        for found in _ASSIGNED.finditer(text)
    )


def written(setup: Setup, mark: Mark) -> str:
    """The text at a mark; empty where the file cannot be read, or the text is longer than 20,000 characters."""
    if mark.end - mark.start > _LONGEST:
        return ""
    return (setup.tree.text(mark.file) or "")[mark.start : mark.end]


def replaced(setup: Setup, mark: Mark, old: str, new: str) -> list[Edit]:
    """Every `old` in the text at a mark as `new`."""
    text = written(setup, mark)
    return [
        Edit(start=mark.start + found.start(), end=mark.start + found.end(), text=new)
        for found in re.finditer(re.escape(old), text)
    ]


def lines_before(setup: Setup, key: Mark, lines: Sequence[str]) -> list[Edit]:
    """Lines put in front of the line of a key, as deep as it is; nothing where other things stand before the key."""
    text = setup.tree.text(key.file) or ""
    start = text.rfind("\n", 0, key.start) + 1
    indent = text[start : key.start]
    if indent.strip(" ") or not lines:
        return []
    end = "\r\n" if "\r\n" in text else "\n"
    return [Edit(start=start, end=start, text="".join(f"{indent}{line}{end}" for line in lines))]


def into_service(setup: Setup, service: Service, lines: Sequence[str]) -> list[Edit]:
    """Keys put into a service: behind its image where that stands on a line of its own, else at its beginning."""
    own = [mark for name, mark in service.keys.items() if "." not in name and mark.file == service.at.file]
    first = min(own, key=lambda mark: mark.start, default=None)
    if first is None or first.start <= service.at.start:
        return []
    image, key = service.image, service.keys.get("image")
    edits = lines_before(setup, first, lines)
    if not edits or image is None or key is None or image.at.file != key.file or key.file != service.at.file:
        return edits
    text = setup.tree.text(key.file) or ""
    stop = text.find("\n", image.at.end)
    if image.at.line != key.line or stop < 0 or text[text.rfind("\n", 0, key.start) + 1 : key.start].strip(" "):
        return edits
    return [Edit(start=stop + 1, end=stop + 1, text=edits[0].text)]


def argument_after(setup: Setup, mark: Mark, program: str, *arguments: str, shell: bool) -> list[Edit]:
    """Arguments put behind each call of a program: into the text that a `shell` is given, else into a list of words
    between brackets. Nothing in a list of lines."""
    text = written(setup, mark)
    found = [*re.finditer(rf"(?<![\w./-]){re.escape(program)}(?![\w.-])", text)]
    if shell:
        added = "".join(f" {each}" for each in arguments)
        return [Edit(start=mark.start + each.end(), end=mark.start + each.end(), text=added) for each in found]
    if not text.lstrip().startswith("["):
        return []
    edits = []
    for each in found:
        quoted = text[each.end() : each.end() + 1] in ("'", '"')
        end = each.end() + quoted
        if re.match(r"\s*[,\]]", text[end:]):
            added = "".join(f', "{argument}"' for argument in arguments)
            edits.append(Edit(start=mark.start + end, end=mark.start + end, text=added))
    return edits


def long_dependencies(setup: Setup, service: Service, conditions: dict[str, str]) -> list[Edit]:
    """The short `depends_on` of a service as the long one, with a condition for each; nothing where several files or a
    style that cannot be edited by places make it."""
    key = service.keys.get("depends_on")
    items = list(service.depends_on.values())
    if key is None or not items or any(not item.short or item.at.file != key.file for item in items):
        return []
    text = setup.tree.text(key.file) or ""
    line = text[text.rfind("\n", 0, key.start) + 1 : key.start]
    end = "\r\n" if "\r\n" in text else "\n"
    flow = _FLOW_LIST.match(text, key.start)
    if flow and not line.strip(" "):
        inner, deeper = line + _STEP, line + 2 * _STEP
        body = "".join(f"{end}{inner}{i.service}:{end}{deeper}condition: {conditions[i.service]}" for i in items)
        return [Edit(start=flow.end(1), end=flow.end(), text=f":{body}")]
    edits = []
    for item in items:
        start = text.rfind("\n", 0, item.at.start) + 1
        dash = re.fullmatch(r"( *)-( +)[\"']?", text[start : item.at.start])
        if dash is None or item.at.start < key.start:
            return []
        indent = dash[1] if len(dash[1]) > len(line) else dash[1] + _STEP
        block = f"{indent}{item.service}:{end}{indent}{_STEP}condition: {conditions[item.service]}"
        stop = item.at.end + (text[item.at.end : item.at.end + 1] in ("'", '"') and dash[0].endswith(("'", '"')))
        edits.append(Edit(start=start, end=stop, text=block))
    return edits
