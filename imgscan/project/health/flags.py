"""A command that serves on the loopback address -> the edits that give it the flag for every address.

In: the scene and what its command serves. Out: edits of the Dockerfile, the compose file or package.json, wherever the
command is written as one; none where it is written in another way. Pure.
"""

from __future__ import annotations

import json
from typing import Final

from imgscan.diff import Edit
from imgscan.dockerfile.shellwords import simple_commands
from imgscan.lazyre import lazy_re
from imgscan.project.scene import Scene
from imgscan.project.sources.commandline import Served

_ADDRESS: Final = lazy_re(r"(?<![\w.-])(?:127\.0\.0\.1|localhost)(?![\w.-])")
_STRING: Final = lazy_re(r':\s*("(?:[^"\\\n]|\\.){0,2000}")')
_LONGEST: Final = 20_000


def flag_edits(scene: Scene, served: Served) -> list[Edit]:
    """The edits of the file that the command stands in."""
    text = scene.setup.tree.text(served.bind.file)
    found = _span(scene, served, text) if text else None
    if text is None or found is None or found[1] - found[0] > _LONGEST:
        return []
    start, end = found
    written = text[start:end]
    addresses = [*_ADDRESS.finditer(written)]
    if served.bind.host is not None:
        if len(addresses) != 1:
            return []
        return [Edit(start=start + addresses[0].start(), end=start + addresses[0].end(), text="0.0.0.0")]  # noqa: S104
    return _appended(written, start, (served.server.mend or "").split())


def _span(scene: Scene, served: Served, text: str) -> tuple[int, int] | None:
    """The offsets of the command's text."""
    bind = served.bind
    for command in (scene.image.last("CMD"), scene.image.last("ENTRYPOINT")):
        here = command is not None and command.instruction.file == bind.file and command.instruction.line == bind.line
        if command is not None and here:
            return command.start + len(command.keyword), command.end
    for argv in (scene.service.command, scene.service.entrypoint):
        if argv is not None and argv.at.file == bind.file and argv.at.line == bind.line:
            return argv.at.start, argv.at.end
    if bind.file.endswith("package.json"):
        lines = text.split("\n")
        start = sum(len(line) + 1 for line in lines[: bind.line - 1])
        program = served.server.name.split()[0]
        found = [each for each in _STRING.finditer(lines[bind.line - 1]) if program in each[1]]
        return (start + found[0].start(1), start + found[0].end(1)) if len(found) == 1 else None
    return None


def _appended(written: str, start: int, words: list[str]) -> list[Edit]:
    """Words put behind the last one of a list, of a text in quotes, or of a plain text, if that is one command."""
    stripped = written.rstrip()
    if not words:
        return []
    if stripped.endswith("]"):
        at = len(stripped[:-1].rstrip())
        joined = "".join(f", {json.dumps(word)}" for word in words)
        return [Edit(start=start + at, end=start + at, text=joined)] if stripped.lstrip().startswith("[") else []
    quoted = stripped[-1:] in ("'", '"') and stripped.lstrip()[:1] == stripped[-1:]
    inner = stripped.strip()[1:-1] if quoted else stripped
    if "\n" in inner.strip() or len(simple_commands(inner)) != 1:
        return []
    at = len(stripped) - quoted
    return [Edit(start=start + at, end=start + at, text="".join(f" {word}" for word in words))]
