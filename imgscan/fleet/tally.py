"""What a run has to do and has done: counted as images are looked up and layers come in."""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import Final

from msgspec.json import Decoder

from imgscan.fleet.lookup import Resolved
from imgscan.fleets import FleetFigures
from imgscan.model import Report
from imgscan.store.fleetstore import FleetStore


@dataclass(slots=True)
class Tally:
    """What a run did so far. `complete`: all that was looked at was looked at as a whole."""

    images: int = 0
    kept: int = 0
    failed: int = 0
    layers: int = 0
    distinct: dict[str, int] = field(default_factory=dict)
    layers_kept: int = 0
    layers_read: int = 0
    bytes_read: int = 0
    complete: bool = True

    def see(self, image: Resolved) -> None:
        """Count the layers of an image."""
        self.layers += len(image.image.layers)
        for blob in image.blobs:
            self.distinct.setdefault(blob.diff_id, blob.size_bytes)

    def figures(self) -> FleetFigures:
        """All of it; the time it took is somebody else's to say."""
        return FleetFigures(
            images=self.images,
            images_kept=self.kept,
            images_failed=self.failed,
            layers=self.layers,
            layers_distinct=len(self.distinct),
            layers_kept=self.layers_kept,
            layers_read=self.layers_read,
            bytes_distinct=sum(self.distinct.values()),
            bytes_read=self.bytes_read,
        )


def kept_report(store: FleetStore, image: Resolved) -> Report | None:
    """The report that is kept of an image; None if there is none, or none that can be read. An archive can say of
    itself that it is any image: its layers have to be seen first."""
    data = store.image(image.key) if image.key and image.vouched else None
    try:
        return _decoder.decode(data) if data is not None else None
    except ValueError:
        return None


_decoder: Final = Decoder(Report)
