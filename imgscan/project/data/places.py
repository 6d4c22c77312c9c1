"""Where findings on data lie, and names for texts. In: marks and shell texts. Out: locations, words."""

from __future__ import annotations

import re
from typing import Final

from imgscan.lazyre import lazy_re
from imgscan.model import Location, Place
from imgscan.project.compose.records import Mark
from imgscan.project.mend import shows_secret
from imgscan.project.shell.records import Call, ShellText

_PASSWORD: Final = lazy_re(r"(?:PASSWORD|PASS|PWD|TOKEN|SECRET)=[^\s$\"']|--password[= ][^\s$-]|\s-p[^\s$/-]{4,}")


def in_compose(mark: Mark) -> Location:
    """A place of a compose file."""
    return Location(place=Place.COMPOSE, path=mark.file, line=mark.line)


def in_script(text: ShellText, call: Call | None = None) -> Location:
    """A place of a shell text, whatever file it stands in."""
    return Location(place=Place.SCRIPT, path=text.file, line=call.line if call is not None else text.line)


def written_call(text: ShellText, call: Call, limit: int = 120) -> str:
    """A call as written, in one line and not too long; its program alone where it shows a secret."""
    line = re.sub(r"\s*\\?\n\s*", " ", text.text[call.start : call.end]).strip()
    if shows_secret(line) or _PASSWORD.search(line):
        return f"{line.split(' ', 1)[0]} …"
    return line if len(line) <= limit else f"{line[: limit - 1]}…"


def where(text: ShellText) -> str:
    """How one calls the text: `scripts/x.sh`, `package.json script "clean"`, `make target "stop"`."""
    kinds = {
        "package.json": f'the package script "{text.name}" of {text.file}',
        "make": f'the make target "{text.name}" of {text.file}',
        "ci": f'the CI job "{text.name}" of {text.file}',
        "compose": f'the command of the service "{text.name}" in {text.file}',
    }
    return kinds.get(text.kind.value, text.file)
