"""The nouns for an image's bytes by directory, as they stand in the report; `imgscan.model` gives them on. `layers.directories`
makes them."""

from __future__ import annotations

from dataclasses import dataclass


@dataclass(frozen=True, slots=True, kw_only=True)
class DirectoryShare:
    """What one layer ships in and below a directory, and how much of that is not visible."""

    layer: int
    size_bytes: int
    reclaimable_bytes: int


@dataclass(frozen=True, slots=True, kw_only=True)
class DirectoryReport:
    """A directory with all that is below it. `size_bytes` is what the layers ship, `visible_bytes` what is left of it;
    a file that has several names counts where its layer has its content. `layers` are those that ship bytes of it."""

    path: str
    size_bytes: int
    visible_bytes: int
    reclaimable_bytes: int
    layers: tuple[DirectoryShare, ...]
