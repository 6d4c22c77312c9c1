"""The nouns of a fleet's store: what a run found in an image, what that is to the runs before, what a run was."""

from __future__ import annotations

from imgscan.fleets import FleetFigures, FleetFinding
from imgscan.frozen import frozen
from imgscan.model import Severity


@frozen
class FoundFinding:
    """A finding of one look at an image; see `FleetFinding`."""

    fingerprint: str
    rule_id: str
    severity: Severity
    message: str
    layer: str = ""
    accepted: bool = False


@frozen
class RecordedImage:
    """What one look at an image was to those before it. `first`: no finished run had looked at it. `standing` are also
    those that were not seen this time by a look that was not complete."""

    first: bool
    new: tuple[FleetFinding, ...]
    standing: tuple[FleetFinding, ...]
    fixed: tuple[FleetFinding, ...]


@frozen
class FleetRun:
    """A run; times are ISO in UTC, `finished_at` None for one that is under way or was ended before its time. `gone`
    are names of images that were there in an earlier run of the same sources and no longer are: what was found in them
    neither stands nor is fixed."""

    id: int
    version: str
    sources: tuple[str, ...]
    started_at: str
    finished_at: str | None
    complete: bool
    figures: FleetFigures
    gone: tuple[str, ...]


@frozen
class Pruned:
    """How much was removed."""

    runs: int = 0
    layers: int = 0
    image_results: int = 0
    findings: int = 0
    names: int = 0
