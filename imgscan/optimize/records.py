"""The nouns of mending: edits of a text, a change with its purpose, what was refused and why, the plan of all of it."""

from __future__ import annotations

from collections.abc import Mapping
from enum import StrEnum
from typing import TYPE_CHECKING

from imgscan.frozen import frozen

if TYPE_CHECKING:
    from imgscan.diff import Edit
    from imgscan.dockerfile.context import BuildContext
    from imgscan.dockerfile.tree import Dockerfile


class Kind(StrEnum):
    """What a change does."""

    SPLIT = "split-manifests"
    VOLATILE = "move-volatile"
    IGNORE = "extend-ignore"
    MOUNT = "cache-mount"
    APT = "apt-hygiene"


class Unsafe(Exception):
    """A change that must not be made; the message says why, for the user."""


@frozen
class Install:
    """What the proof asks of a change: the first install of that manager in that folder of the stage (`same`: the very
    call) must be cached after a source edit, and must run after an edit of one of `reads`, paths of the context (none:
    it reads nothing of it)."""

    stage: int
    manager: str
    folder: str
    label: str
    reads: tuple[str, ...]
    same: int | None = None


@frozen
class Change:
    """One transformation. `id` stays equal while others are made or withdrawn; `line` is where it begins in the
    original text of that moment. `edits` are for the Dockerfile, `ignore_lines` go to the end of the ignore file.

    `drops` are folders of the image (absolute) whose content it takes away on purpose, `volatile` the build arguments
    whose new values shall not re-run installs any more. `how` tells what the edits do, for who makes them by hand;
    empty where the title does.
    """

    id: str
    kind: Kind
    line: int
    title: str
    edits: tuple[Edit, ...] = ()
    ignore_lines: tuple[str, ...] = ()
    installs: tuple[Install, ...] = ()
    drops: tuple[str, ...] = ()
    volatile: tuple[str, ...] = ()
    how: str = ""


@frozen
class Refusal:
    """A change that was not made: what it would have been, at which line, and why not."""

    kind: Kind
    line: int
    what: str
    reason: str


@frozen
class Inputs:
    """What is to be mended, and how it is built. `ignore_file` is the path of the ignore file from the context (where a
    new one goes if there is none), `ignore_text` its text or None; `folder` is where the context lies from the folder
    that patches are made for."""

    dockerfile: Dockerfile
    context: BuildContext
    target: str | None
    build_args: Mapping[str, str]
    builder: str
    ignore_file: str
    ignore_text: str | None
    folder: str = ""


@frozen
class Plan:
    """All changes, in the order made, and the texts they lead to."""

    inputs: Inputs
    changes: tuple[Change, ...]
    refusals: tuple[Refusal, ...]
    dockerfile_text: str
    ignore_text: str | None

    @property
    def ignore_lines(self) -> tuple[str, ...]:
        """The lines added to the ignore file."""
        return tuple(line for change in self.changes for line in change.ignore_lines)


@frozen
class Check:
    """One thing that the proof looked at. `ok` is None where it could not be looked at."""

    name: str
    ok: bool | None
    detail: str


@frozen
class Comparison:
    """One scenario before and after: what was touched, the seconds of every repeat, the steps that ran again in the
    last one, of how many (`steps_total`: after). FROM is no step."""

    scenario: str
    touched: str | None
    before_s: tuple[float, ...]
    after_s: tuple[float, ...]
    steps_run_before: int
    steps_run_after: int
    steps_total: int
    steps_total_before: int


@frozen
class Proof:
    """What building both showed. `nondeterministic` are the paths that differ between two builds of the original,
    of which there are `nondeterministic_count`
    in all, `left_out` those that the patch takes out of the image on purpose (`left_out_count` in all);
    `files_compared` counts the paths of the image that were compared."""

    checks: tuple[Check, ...]
    comparisons: tuple[Comparison, ...] = ()
    nondeterministic: tuple[str, ...] = ()
    nondeterministic_count: int = 0
    left_out: tuple[str, ...] = ()
    left_out_count: int = 0
    files_compared: int = 0

    @property
    def reason(self) -> str | None:
        """Why it is no proof; None if it is one."""
        return next((f"{check.name}: {check.detail}" for check in self.checks if check.ok is False), None)


@frozen
class Withdrawal:
    """A change that was made, did not stand the proof, and was taken back; `proof` is what there was of one."""

    change: Change
    reason: str
    proof: Proof | None = None
