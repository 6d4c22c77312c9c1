"""What a run would have to read, without reading it."""

from __future__ import annotations

from collections.abc import Sequence

from imgscan.escape import plain
from imgscan.fleet.lookup import Unresolved, resolve_all
from imgscan.fleet.plan import layer_tasks
from imgscan.fleet.run import FleetMeans
from imgscan.fleet.tally import Tally, kept_report
from imgscan.fleets import FleetFigures, LayerTask, Wanted
from imgscan.frozen import frozen
from imgscan.units import human_bytes


@frozen
class Preview:
    """`figures` count what there is, `tasks` is what would be read, `whole` how many images can only be read as one;
    `failed` are images that are not to be had, with the reason."""

    figures: FleetFigures
    tasks: tuple[LayerTask, ...]
    whole: int
    failed: tuple[tuple[str, str], ...]

    def lines(self) -> list[str]:
        """It in words."""
        found = self.figures
        to_read = sum(not blob.is_kept for task in self.tasks for blob in task.blobs)
        return [
            f"images   {found.images:,}: {found.images_kept:,} known, {self.whole:,} to be read as a whole",
            f"layers   {found.layers:,}: {found.layers_distinct:,} distinct{_size(found.bytes_distinct)}",
            f"kept     {found.layers_kept:,}",
            f"to read  {to_read:,}{_size(sum(task.size_bytes for task in self.tasks))}",
            *(f"not to be had: {plain(name)}: {plain(reason)}" for name, reason in self.failed),
        ]


def preview(wanted: Sequence[Wanted], fleet: FleetMeans) -> Preview:
    """The plan of a run over images."""
    tally, left, failed, whole = Tally(), [], [], 0
    for found in resolve_all(wanted, fleet.resolving, say=fleet.means.progress.update):
        tally.images += 1
        if isinstance(found, Unresolved):
            failed.append((found.wanted.name, found.error))
            continue
        tally.see(found)
        if kept_report(fleet.store, found) is not None:
            tally.kept += 1
        elif found.in_parts:
            left.append(found)
        else:
            whole += 1
    kept = fleet.store.known_layers({blob.diff_id for image in left for blob in image.blobs})
    tally.layers_kept = len(kept)
    proven = fleet.store.proven(blob.digest or "" for image in left for blob in image.blobs)
    tasks = layer_tasks(left, kept, fleet.make_task(), proven)
    return Preview(figures=tally.figures(), tasks=tuple(tasks), whole=whole, failed=tuple(failed))


def _size(size_bytes: int) -> str:
    """In brackets; "" where nobody knows it, as of an engine's layers."""
    return f" ({human_bytes(size_bytes)})" if size_bytes else ""
