"""Where a finding lies, for findings on instructions. In: a command. Out: `Location`."""

from __future__ import annotations

from typing import TYPE_CHECKING

from imgscan.model import Location, Place, SourceLine

if TYPE_CHECKING:
    from imgscan.dockerfile.tree import Command


def dockerfile_line(command: Command) -> Location:
    """The place of an instruction."""
    line = SourceLine(file=command.instruction.file, line=command.instruction.line)
    return Location(place=Place.DOCKERFILE, path=line.file, line=line.line, dockerfile=line)
