"""The nouns of what edits cost: predictions of rebuilds, and a repository's history replayed through them.

Part of the report, hence serialisable by msgspec (see `model`). Seconds are wall clock time; every `seconds` lies
between its `low_s` and its `high_s`.
"""

from __future__ import annotations

from imgscan.frozen import frozen


@frozen
class BustedBy:
    """The first step that ran again, hence the instruction to blame for all that ran after it."""

    line: int | None
    instruction: str


@frozen
class Basis:
    """What predictions rest on.

    `source` is `measured`, `report` or `estimate`; `fixed_s` is a rebuild in which every step is cached (upload,
    lookup, naming), `cold_s` one in which every step runs, `export_s` what writing all its layers took; `spread` is by
    how much, as a share of them, equal builds have differed or are taken to differ.
    """

    source: str
    fixed_s: float
    cold_s: float
    export_s: float
    spread: float


@frozen
class ForecastStep:
    """A step that an edit re-runs, with its own seconds and those of writing its layer. `sure` is False if it takes
    files of a stage that runs again: when they come out the same, the step is a hit."""

    line: int | None
    instruction: str
    seconds: float
    export_s: float
    sure: bool


@frozen
class Prediction:
    """What one edit of `touched` costs. `steps` are those that run; `measured_s` is the median of a measured rebuild
    with the same edit, where there is one."""

    name: str
    touched: tuple[str, ...]
    seconds: float
    low_s: float
    high_s: float
    steps_total: int
    steps_cached: int
    steps: tuple[ForecastStep, ...]
    busted_by: BustedBy | None = None
    measured_s: float | None = None


@frozen
class CommitCost:
    """One commit's rebuild. `day` is the commit's date in UTC; `files` counts changed paths of the context."""

    commit: str
    day: str
    files: int
    seconds: float
    low_s: float
    high_s: float
    steps_run: int
    busted_by: BustedBy | None = None


@frozen
class DayCost:
    """The rebuilds of one day's commits, one after the other."""

    day: str
    commits: int
    seconds: float


@frozen
class PathCost:
    """A path that commits changed. `each_s` is what an edit of it alone costs beyond a rebuild without any change,
    `seconds` that times its commits: paths of one commit share what they re-run, so these do not add up."""

    path: str
    commits: int
    each_s: float
    seconds: float


@frozen
class InstructionCost:
    """An instruction that ran again in `commits` rebuilds and took `seconds` in all; `busted_by` is where most of those
    rebuilds began."""

    line: int | None
    instruction: str
    commits: int
    seconds: float
    busted_by: BustedBy | None = None


@frozen
class Saving:
    """What mending one finding would have saved: `seconds` in `commits` rebuilds that re-ran the install at `line`
    although they changed no manifest and no lockfile of it."""

    rule_id: str
    fingerprint: str
    line: int
    commits: int
    seconds: float


@frozen
class History:
    """The latest commits (merges left out) replayed with today's Dockerfile, each as one rebuild after the one before.

    `free` commits re-run nothing; `unpriced` ones changed the Dockerfile or its ignore file, and are counted only with
    what their other paths cost. `paths` and `instructions` are the ten that cost most. `left_out` says why fewer were
    replayed than asked for, where that is not all there are.
    """

    commits: int
    free: int
    unpriced: int
    seconds: float
    low_s: float
    high_s: float
    per_commit: tuple[CommitCost, ...]
    per_day: tuple[DayCost, ...]
    paths: tuple[PathCost, ...]
    instructions: tuple[InstructionCost, ...]
    savings: tuple[Saving, ...] = ()
    left_out: str = ""


@frozen
class EditCosts:
    """What edits cost, computed and not measured."""

    basis: Basis
    predictions: tuple[Prediction, ...] = ()
    history: History | None = None
