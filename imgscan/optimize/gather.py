"""Which files of the context one install reads, and where they have to be in the stage for it.

In: the scene and the install. Out: a filled `Gathering`. The recipes of the managers fill it; they raise `Unsafe` where
the install needs more than files that can be named.
"""

from __future__ import annotations

import json
import posixpath
import re
import tomllib
from collections.abc import Iterable, Iterator
from dataclasses import dataclass, field
from typing import Any, Final

from imgscan.detect.cache.calls import Call
from imgscan.detect.stages.producers import located_commands
from imgscan.detect.stages.records import Presence, RunStep, Transfer
from imgscan.detect.stages.stagesim import find
from imgscan.dockerfile.install import installs_in
from imgscan.dockerfile.shellwords import SimpleCommand
from imgscan.frozen import frozen
from imgscan.lazyre import lazy_re
from imgscan.optimize.records import Unsafe
from imgscan.optimize.scene import Scene

MOST_FILES: Final = 200
_MAGIC: Final = lazy_re(r"[*?\[\]\\$\"'`]")


@frozen
class Needed:
    """A file (or folder) that the install reads: its path in the context, where it lands, what brings it."""

    source: str
    landing: str
    transfer: Transfer
    is_folder: bool = False


@dataclass(slots=True, kw_only=True)
class Gathering:
    """What an install needs, as it is gathered. `folder` is where it works.

    `prepare`: what to run with the manifests alone, before the sources come; the install itself then stays below them.
    None: the install itself can run above the sources. `overwritten`: names below `folder` that it makes and that a
    copy of the sources must not bring along.
    """

    scene: Scene
    stage: int
    run: RunStep
    call: Call
    command: SimpleCommand
    folder: str
    needed: dict[str, Needed] = field(default_factory=dict)
    prepare: str | None = None
    overwritten: tuple[str, ...] = ()

    @property
    def words(self) -> tuple[str, ...]:
        """The words of the install's command."""
        return self.command.words

    def locate(self, name: str) -> Needed | None:
        """A file or folder of the install's folder, if an instruction surely brings it from the context."""
        path = posixpath.normpath(posixpath.join(self.folder, name))
        found = find(self.scene.simulation, self.stage, path, run=self.run)
        if found.presence is not Presence.YES or found.source is None or found.transfer is None:
            return None
        transfer = found.transfer
        if transfer.from_stage is not None:
            return None
        is_folder = found.source in self.scene.simulation.index.folders
        return Needed(source=found.source, landing=path, transfer=transfer, is_folder=is_folder)

    def take(self, *names: str) -> list[Needed]:
        """Take those of the files and folders that are there."""
        taken: list[Needed] = []
        for name in names:
            found = self.locate(name)
            if found is None:
                continue
            if _MAGIC.search(found.source):
                raise Unsafe(f"the name {found.source} cannot be written in a COPY")
            self.needed[found.landing] = found
            taken.append(found)
            if len(self.needed) > MOST_FILES:
                raise Unsafe(f"it reads more than {MOST_FILES} manifests")
        return taken

    def require(self, *names: str) -> None:
        """Take at least one of the files; Unsafe if none is there."""
        if not self.take(*names):
            raise Unsafe(f"{' or '.join(names)} is not surely copied into {self.shown_folder}")

    def require_all(self, names: Iterable[str]) -> None:
        """Take every one of the files."""
        for name in names:
            self.require(name)

    @property
    def shown_folder(self) -> str:
        """The install's folder, for messages."""
        return self.folder if not self.folder.startswith("/{") else "the working directory"

    def text(self, name: str) -> str | None:
        """The text of a file of the install's folder."""
        found = self.locate(name)
        return self.scene.reader.text(found.source) if found is not None else None

    def json(self, name: str) -> dict[str, Any]:
        """A JSON file of the install's folder; Unsafe when it cannot be read."""
        try:
            data = json.loads((self.text(name) or "").removeprefix("\ufeff"))
        except (ValueError, RecursionError):
            raise Unsafe(f"{name} cannot be read") from None
        if not isinstance(data, dict):
            raise Unsafe(f"{name} cannot be read")
        return data

    def toml(self, name: str) -> dict[str, Any]:
        """A TOML file of the install's folder; Unsafe when it cannot be read."""
        try:
            return tomllib.loads(self.text(name) or "")
        except (ValueError, RecursionError):
            raise Unsafe(f"{name} cannot be read") from None

    def below(self, pattern: re.Pattern[str]) -> Iterator[str]:
        """The files below the install's folder whose relative path fits, as paths relative to it."""
        root = self.root()
        if root is None:
            return
        index = self.scene.simulation.index
        for at in index.span(root):
            inside = index.paths[at][len(root) :].lstrip("/")
            if pattern.fullmatch(inside):
                yield inside

    def root(self) -> str | None:
        """The folder of the context that the install's folder comes from: that of the first file taken."""
        first = next(iter(self.needed.values()), None)
        if first is None:
            return None
        inside = posixpath.relpath(first.landing, self.folder)
        if not first.source.endswith(inside):
            return None
        return first.source[: len(first.source) - len(inside)].rstrip("/")


def command_of(run: RunStep, call: Call) -> SimpleCommand | None:
    """The shell command that a call stands for."""
    for simple, _ in located_commands(run.command, run.cwd):
        if not simple.words:
            continue
        if call.implicit:
            program, _, verb = call.label.partition(" ")
            if posixpath.basename(simple.words[0]) == program and verb in simple.words:
                return simple
        elif any(hash(install.command_text) == call.same for install in installs_in(simple.text)):
            return simple
    return None
