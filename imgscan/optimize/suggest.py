"""The Dockerfile, its ignore file and context -> `Plan`: every change that is safe, one after the other, and why others
are not made. Pure but for reading small files of the context.

Each change is made to the text that the ones before it left, which is parsed anew; the last one asks for nothing more.
"""

from __future__ import annotations

from collections.abc import Callable, Collection, Iterator
from typing import Final

from imgscan.diff import apply_edits, line_end_of
from imgscan.dockerfile.parse import parse
from imgscan.optimize.apt import apt_changes
from imgscan.optimize.edits import moved_lines
from imgscan.optimize.ignorelines import ignore_changes
from imgscan.optimize.mounts import mount_changes
from imgscan.optimize.records import Change, Inputs, Kind, Plan, Refusal
from imgscan.optimize.scene import Scene, first_scene, next_scene
from imgscan.optimize.split import split_changes
from imgscan.optimize.volatile import volatile_changes

DEFAULT_KINDS: Final = (Kind.APT, Kind.VOLATILE, Kind.SPLIT, Kind.IGNORE)
_MOST_CHANGES: Final = 50
_MAKERS: Final[dict[Kind, Callable[[Scene], Iterator[Change | Refusal]]]] = {
    Kind.APT: apt_changes,
    Kind.VOLATILE: volatile_changes,
    Kind.SPLIT: split_changes,
    Kind.IGNORE: ignore_changes,
    Kind.MOUNT: mount_changes,
}


def suggest(inputs: Inputs, kinds: Collection[Kind] = DEFAULT_KINDS, excluded: Collection[str] = ()) -> Plan:
    """The plan. `excluded` are ids of changes not to be made. Raises InputError where the Dockerfile makes no sense."""
    scene = first_scene(inputs)
    changes: list[Change] = []
    refusals: list[Refusal] = []
    while len(changes) < _MOST_CHANGES:
        found = [item for kind, make in _MAKERS.items() if kind in kinds for item in make(scene)]
        change = next((item for item in found if isinstance(item, Change) and item.id not in excluded), None)
        if change is None:
            refusals = [item for item in found if isinstance(item, Refusal)]
            break
        changes.append(change)
        scene = _apply(scene, change)
    return Plan(
        inputs=inputs,
        changes=tuple(changes),
        refusals=tuple(refusals),
        dockerfile_text=scene.text,
        ignore_text=scene.ignore_text,
    )


def _apply(scene: Scene, change: Change) -> Scene:
    text = apply_edits(scene.text, change.edits)
    ignore_text = add_lines(scene.ignore_text, change.ignore_lines)
    origins = moved_lines(scene.text, scene.origins, change.edits, change.line)
    return next_scene(scene, parse(text, scene.dockerfile.file), ignore_text, origins)


def add_lines(text: str | None, lines: tuple[str, ...]) -> str | None:
    """An ignore file with lines added at its end, in its own line ends; the last one that matches wins there."""
    if not lines:
        return text
    if not text:
        return "".join(f"{line}\n" for line in lines)
    eol = line_end_of(text)
    return f"{text}{'' if text.endswith(chr(10)) else eol}{''.join(f'{line}{eol}' for line in lines)}"
