"""A finished run, as it is told: what the store has of it, and what its images have in common -> `FleetReport`."""

from __future__ import annotations

from collections.abc import Mapping, Sequence

from imgscan import __version__
from imgscan.fleet.outline import base_images, shared_leaks, with_bases
from imgscan.fleets import FleetFigures, FleetReport, NotListed
from imgscan.store.fleetstore import FleetStore


def tell_run(
    store: FleetStore,
    run: int,
    *,
    started_at: str,
    finished_at: str,
    rule_packs: tuple[str, ...],
    figures: FleetFigures,
    complete: bool,
    made_by: Mapping[str, str],
    not_listed: Sequence[NotListed] = (),
    notes: Sequence[str] = (),
) -> FleetReport:
    """The report of a run. `made_by` gives the instruction, in few words, of layers with findings."""
    images = with_bases(sorted(store.run_images(run), key=lambda image: image.name))
    findings = sorted(
        store.run_findings(run), key=lambda one: (-one.severity.rank, one.rule_id, one.image, one.fingerprint)
    )
    return FleetReport(
        run=run,
        started_at=started_at,
        finished_at=finished_at,
        version=__version__,
        rule_packs=rule_packs,
        complete=complete,
        images=images,
        findings=tuple(findings),
        shared=shared_leaks(images, findings, made_by),
        bases=base_images(images, findings),
        figures=figures,
        not_listed=tuple(not_listed),
        notes=tuple(notes),
    )
