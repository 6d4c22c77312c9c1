"""A run over a fleet: images looked up, layers read by workers, images put together, all of it remembered.

In: the images that are wanted. Out: the store holds what was found. Everything is written as soon as it is known: a run
that was ended in the middle goes on where it was.
"""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Callable, Generator, Mapping, Sequence
from contextlib import closing
from functools import partial
from typing import Final

from msgspec.json import encode

from imgscan.acceptance import open_findings
from imgscan.assess import Gate
from imgscan.errors import ImgscanError
from imgscan.fleet.assemble import LayerGoneError, assemble, judged, scan_alone
from imgscan.fleet.execute import Done, execute
from imgscan.fleet.limits import Limits
from imgscan.fleet.lookup import Resolved, Resolving, Unresolved, error_text, resolve_all
from imgscan.fleet.plan import layer_tasks
from imgscan.fleet.read import read_layers, work_version
from imgscan.fleet.tally import Tally, kept_report
from imgscan.fleet.waiting import Waiting
from imgscan.fleets import FleetFigures, FleetImage, LayerTask, Origin, Wanted
from imgscan.frozen import frozen
from imgscan.layers.blocks import CacheDamagedError
from imgscan.model import Digest, Finding, Report, Severity
from imgscan.redaction import redactor_for
from imgscan.scan import Means
from imgscan.source.records import StoreError
from imgscan.store.fleetrecords import FoundFinding
from imgscan.store.fleetstore import FleetStore
from imgscan.units import human_bytes

_FEW_WORDS: Final = 80
_FEW_LAYERS: Final = 8
_FEW_BYTES: Final = 8 << 20


@frozen
class FleetMeans:
    """What a run needs besides its images. `scheduler` is that of a cluster (None: processes of this machine),
    `means.jobs` how many processes."""

    means: Means
    store: FleetStore
    gate: Gate
    limits: Limits
    resolving: Resolving
    rule_files: tuple[str, ...] = ()
    scheduler: str | None = None

    def make_task(self) -> Callable[..., LayerTask]:
        """What makes a task of its image and layers."""
        scanner = self.means.scanner
        return partial(
            LayerTask,
            version=work_version(scanner),
            seal_key=self.store.seal_key(),
            unpack=scanner.unpack,
            rule_files=self.rule_files,
        )


@frozen
class RunResult:
    """What a run came to; the images and findings are in the store. `made_by` is the instruction, in few words, of
    layers with findings."""

    figures: FleetFigures
    complete: bool
    made_by: Mapping[str, str]


def run_fleet(run: int, fleet: FleetMeans, wanted: Sequence[Wanted]) -> RunResult:
    """Look at every image, as run number `run` of the store. Raises EngineError when the store or the scheduler goes
    away."""
    return _Run(run, fleet).over(wanted)


class _Run:
    """One run, number `run` of its store."""

    def __init__(self, run: int, fleet: FleetMeans) -> None:
        self._run = run
        self._fleet = fleet
        self._store = fleet.store
        self._scanner = fleet.means.scanner
        self._seal_key = fleet.store.seal_key()
        self._count = Tally()
        self._made_by: dict[str, str] = {}
        self._alone: list[tuple[Resolved, str]] = []

    def over(self, wanted: Sequence[Wanted]) -> RunResult:
        images = self._look_up(wanted)
        self._read(images)
        for image, why in self._alone:
            self._read_alone(image, why)
        return RunResult(figures=self._count.figures(), complete=self._count.complete, made_by=self._made_by)

    def _look_up(self, wanted: Sequence[Wanted]) -> list[Resolved]:
        """The images that have to be put together; those whose results are kept are recorded at once."""
        left = []
        for found in resolve_all(wanted, self._fleet.resolving, say=self._fleet.means.progress.update):
            self._count.images += 1
            if isinstance(found, Unresolved):
                self._fail(found.wanted, found.error)
                continue
            self._count.see(found)
            report = kept_report(self._store, found)
            if report is not None:
                self._count.kept += 1
                self._record(found, report, Origin.KEPT)
            elif found.in_parts:
                left.append(found)
            else:
                self._alone.append((found, ""))
        return left

    def _read(self, images: Sequence[Resolved]) -> None:
        kept = self._store.known_layers({blob.diff_id for image in images for blob in image.blobs})
        self._count.layers_kept = len(kept)
        proven = self._store.proven(blob.digest or "" for image in images for blob in image.blobs)
        tasks = layer_tasks(images, kept, self._fleet.make_task(), proven)
        waiting = Waiting(images, kept, tasks)
        for image in waiting.ready():
            self._put_together(image)
        if not tasks:
            return
        with closing(self._all(tasks)) as results:
            for number, done in enumerate(results, start=1):
                self._take(done, waiting)
                self._say(f"{number:,} of {len(tasks):,} reads done: {human_bytes(self._count.bytes_read)}")
                for image in waiting.ready():
                    self._put_together(image)

    def _all(self, tasks: Sequence[LayerTask]) -> Generator[Done]:
        """A cluster reads what lies in registries; files and engines are this machine's."""
        clustered = self._fleet.scheduler is not None
        elsewhere = [task for task in tasks if clustered and task.host]
        here = [task for task in tasks if not (clustered and task.host)]
        for part, scheduler in ((elsewhere, self._fleet.scheduler), (here, None)):
            if part:
                with closing(self._execute(part, scheduler)) as results:
                    yield from results

    def _execute(self, tasks: Sequence[LayerTask], scheduler: str | None) -> Generator[Done]:
        fleet = self._fleet
        return execute(
            tasks,
            scheduler=scheduler,
            jobs=0 if _is_little(tasks) and fleet.means.jobs is None else fleet.means.jobs,
            work=read_layers,
            limits=fleet.limits,
            say=fleet.means.progress.stage,
        )

    def _take(self, done: Done, waiting: Waiting) -> None:
        """Keep what a task gave, and say what its images have to do."""
        if done.outcomes is None:
            for image in waiting.give_up(done.task):
                if image.ref.partition("@")[0] == done.task.ref.partition("@")[0]:
                    self._fail(image.wanted, done.problem)
                else:
                    # The same layer lies in its own repository as well.
                    self._alone.append((image, done.problem))
            return
        for outcome in done.outcomes:
            self._count.bytes_read += outcome.read_bytes
            if not outcome.blob.is_kept:
                self._count.layers_read += 1
            if outcome.sealed is not None:
                self._store.put_layer(outcome.sealed)
            if outcome.why:
                self._alone += [(image, outcome.why) for image in waiting.spoil(outcome.blob)]
            else:
                if outcome.digest:
                    self._store.prove(outcome.blob.diff_id, outcome.digest)
                waiting.arrived(outcome.blob)

    def _put_together(self, image: Resolved) -> None:
        try:
            report = assemble(image, self._store.layer, self._scanner, redactor_for(self._scanner), self._seal_key)
        except (LayerGoneError, CacheDamagedError):
            self._alone.append((image, "what was kept of its layers is gone"))
            return
        except ImgscanError as error:
            self._fail(image.wanted, error_text(error))
            return
        self._keep(image, report, for_good=True)

    def _read_alone(self, image: Resolved, why: str) -> None:
        """Read an image as a whole: nothing of it is to be had from others."""
        self._say(f"reading {image.wanted.name} as a whole" + (f": {why}" if why else ""))
        try:
            report = scan_alone(
                image,
                self._fleet.means,
                redactor_for(self._scanner),
                self._seal_key,
                bytes_per_s=self._fleet.limits.bytes_per_s,
            )
        except (ImgscanError, StoreError) as error:
            self._fail(image.wanted, error_text(error))
            return
        self._count.bytes_read += report.coverage.bytes if report.coverage is not None else 0
        # Another time more of it may be readable.
        self._keep(image, report, for_good=report.complete)

    def _keep(self, image: Resolved, report: Report, *, for_good: bool) -> None:
        if image.key and for_good:
            self._store.put_image(image.key, encode(report), [blob.diff_id for blob in image.blobs])
        self._record(image, report, Origin.NEW)

    def _record(self, image: Resolved, raw: Report, origin: Origin) -> None:
        report = judged(raw, image, self._fleet.gate)
        self._count.complete = self._count.complete and report.complete
        self._remember_instructions(report)
        self._store.record_image(self._run, fleet_image(image, report, origin), told(report))

    def _remember_instructions(self, report: Report) -> None:
        layers = report.image.layers if report.image is not None else ()
        for index in {finding.location.layer for finding in report.findings if finding.location.layer is not None}:
            words = " ".join((layers[index].instruction or "").split()) if index < len(layers) else ""
            if words:
                short = words if len(words) <= _FEW_WORDS else f"{words[:_FEW_WORDS]}…"
                self._made_by.setdefault(layers[index].diff_id, short)

    def _fail(self, wanted: Wanted, error: str) -> None:
        self._count.failed += 1
        self._count.complete = False
        image = FleetImage(
            name=wanted.name,
            ref=wanted.ref,
            team=wanted.team,
            platform=wanted.platform,
            origin=Origin.FAILED,
            error=error,
        )
        self._store.record_image(self._run, image, ())

    def _say(self, text: str) -> None:
        self._fleet.means.progress.update(text)


def _is_little(tasks: Sequence[LayerTask]) -> bool:
    """Whether it takes longer to start processes than to read it here."""
    sizes = [blob.size_bytes for task in tasks for blob in task.blobs]
    return len(sizes) <= _FEW_LAYERS and all(sizes) and sum(sizes) <= _FEW_BYTES


def fleet_image(image: Resolved, report: Report, origin: Origin) -> FleetImage:
    """An image of a run, as its report has it."""
    described = report.image
    layers = described.layers if described is not None else ()
    counts = defaultdict[Severity, int](int)
    for finding in open_findings(report.findings):
        counts[finding.severity] += 1
    base = described.base_layers if described is not None else 0
    return FleetImage(
        name=image.wanted.name,
        ref=image.ref,
        team=image.team,
        platform=report.target.platform,
        digest=Digest(report.target.digest) if report.target.digest else None,
        origin=origin,
        key=image.key,
        complete=report.complete,
        verdict=report.verdict,
        size_bytes=described.size_bytes if described is not None else 0,
        reclaimable_bytes=described.reclaimable_bytes if described is not None else 0,
        counts=tuple((severity, counts[severity]) for severity in Severity if counts[severity]),
        base=layers[base - 1].diff_id if 0 < base <= len(layers) else "",
        layers=tuple(layer.diff_id for layer in layers),
        created=image.created,
    )


def told(report: Report) -> list[FoundFinding]:
    """The findings of a report, as they are remembered."""
    layers = report.image.layers if report.image is not None else ()
    return [_told(finding, [layer.diff_id for layer in layers]) for finding in report.findings]


def _told(finding: Finding, layers: Sequence[str]) -> FoundFinding:
    index = finding.location.layer
    return FoundFinding(
        fingerprint=finding.fingerprint,
        rule_id=finding.rule_id,
        severity=finding.severity,
        message=finding.message,
        layer=layers[index] if index is not None and index < len(layers) else "",
        accepted=finding.accepted is not None,
    )
