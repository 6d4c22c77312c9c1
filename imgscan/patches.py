"""What a patch is worth: one record per patch that `imgscan optimize` proposes, with what building both sides showed.

Part of the report, hence serialisable by msgspec (see `model`). Times are seconds of whole builds.
"""

from __future__ import annotations

from enum import StrEnum

from imgscan.frozen import frozen


class ProofOutcome(StrEnum):
    """What came of a patch. Only one that was built and compared can be proved."""

    PROVED = "proved"
    NOT_PROVED = "not proved"


@frozen
class PatchChange:
    """One change of a patch: what kind it is, the file and line where it begins (None: lines added at the end), what it
    does."""

    kind: str
    title: str
    file: str
    line: int | None = None


@frozen
class ProofCheck:
    """One thing that a proof looked at, and what was seen. `ok` is None where it could not be looked at."""

    name: str
    ok: bool | None
    detail: str


@frozen
class Rebuilds:
    """The repeats of one rebuild of one version. `spread_s` is the largest minus the smallest of `seconds`; steps are
    those of the last repeat, FROM left out."""

    seconds: tuple[float, ...]
    median_s: float
    spread_s: float
    steps_cached: int
    steps_total: int


@frozen
class ScenarioProof:
    """One rebuild without the patch and with it, both after the same edit of `touched`."""

    name: str
    touched: str | None
    before: Rebuilds
    after: Rebuilds


@frozen
class ImageComparison:
    """What of the two images was compared: `paths` of the image without the patch, by type, mode, owner and content.

    `nondeterministic` are those left out because two builds of the same differ in them, `left_out` those that the
    patch keeps out of the image on purpose; both are bounded, the counts are not.
    """

    paths: int
    nondeterministic: tuple[str, ...] = ()
    nondeterministic_count: int = 0
    left_out: tuple[str, ...] = ()
    left_out_count: int = 0


@frozen
class PatchProof:
    """A patch of one or several changes, and whether it was proved. `reason` says why it was not; `patch` is
    the unified diff, None where it cannot be shown. `scenarios` are there if rebuilds were timed, `image` if both
    images were built."""

    title: str
    outcome: ProofOutcome
    changes: tuple[PatchChange, ...]
    patch: str | None = None
    reason: str | None = None
    checks: tuple[ProofCheck, ...] = ()
    scenarios: tuple[ScenarioProof, ...] = ()
    image: ImageComparison | None = None
