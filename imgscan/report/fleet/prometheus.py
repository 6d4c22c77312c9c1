"""A run over a fleet as figures for the textfile collector of Prometheus' node exporter.

The number of series is bounded: of `MOST_IMAGES` images, those with the gravest findings first, one for each severity
and change that there are findings of, and four more; of `MOST_TEAMS` teams one for every severity and change, zeros
too. What is left out is counted. Names and units: https://prometheus.io/docs/practices/naming/.
"""

from __future__ import annotations

from collections import Counter, defaultdict
from collections.abc import Mapping, Sequence
from typing import Final

from prometheus_client import CollectorRegistry, Gauge, generate_latest

from imgscan.escape import plain, shorten
from imgscan.fleets import FleetImage, FleetReport, Origin
from imgscan.model import Severity
from imgscan.report import Style
from imgscan.report.fleet import Load
from imgscan.report.fleet.overview import Told, team_totals, told, utc_time

MOST_IMAGES: Final = 2000
MOST_TEAMS: Final = 200
_LABEL: Final = 200
_CHANGES: Final = (
    "new since the run before, first (in an image seen for the first time), standing, or fixed since the run before; "
    "accepted ones are in none"
)


def render(report: FleetReport, load: Load, style: Style) -> str:
    """Gauges in the text exposition format."""
    gauges = _Gauges()
    _run(gauges, report)
    images = sorted(report.images, key=_gravest)[:MOST_IMAGES]
    teams = [total.team for total in team_totals(report)]
    _findings(gauges, report, {image.name for image in images}, teams[:MOST_TEAMS])
    _images(gauges, images)
    gauges.put("images_left_out", "Images that have no series of their own", len(report.images) - len(images))
    gauges.put("teams_left_out", "Teams that have no series of their own", max(len(teams) - MOST_TEAMS, 0))
    return gauges.text()


class _Gauges:
    """Gauges in a registry of their own: nothing of this process is in it."""

    def __init__(self) -> None:
        self._registry = CollectorRegistry()

    def put(self, name: str, about: str, value: float) -> None:
        """A gauge without labels."""
        self._make(name, about, ()).set(value)

    def put_all(self, name: str, about: str, labels: Sequence[str], values: Mapping[tuple[str, ...], float]) -> None:
        """A gauge with labels. Names that are one once they are cut short are counted together."""
        cut: defaultdict[tuple[str, ...], float] = defaultdict(float)
        for key, value in values.items():
            cut[tuple(shorten(plain(text), _LABEL) for text in key)] += value
        gauge = self._make(name, about, labels)
        for key, value in cut.items():
            gauge.labels(*key).set(value)

    def text(self) -> str:
        """All of them."""
        return generate_latest(self._registry).decode()

    def _make(self, name: str, about: str, labels: Sequence[str]) -> Gauge:
        return Gauge(f"imgscan_fleet_{name}", f"{about}.", labels, registry=self._registry)


def _run(gauges: _Gauges, report: FleetReport) -> None:
    figures = report.figures
    for name, about, value in (
        ("run_timestamp_seconds", "When the run ended, in seconds since 1970", _timestamp(report.finished_at)),
        ("run_duration_seconds", "How long the run took", figures.seconds),
        ("run_complete", "Whether every image was looked at as a whole", float(report.complete)),
        ("images", "Images of the run", figures.images),
        ("images_kept", "Images that were known from before", figures.images_kept),
        ("images_failed", "Images that could not be looked at", figures.images_failed),
        ("sources_not_listed", "Parts of the sources that could not be listed", len(report.not_listed)),
        ("layers", "Layers over all images", figures.layers),
        ("layers_distinct", "Distinct layers", figures.layers_distinct),
        ("layers_kept", "Distinct layers whose results were kept", figures.layers_kept),
        ("layers_read", "Distinct layers that were read", figures.layers_read),
        ("layers_distinct_bytes", "Size of the distinct layers where they lie", figures.bytes_distinct),
        ("read_bytes", "What was read of them", figures.bytes_read),
        ("shared_leaks", "Layers with secrets that several images have", len(report.shared)),
    ):
        gauges.put(name, about, value)


def _findings(gauges: _Gauges, report: FleetReport, images: set[str], teams: Sequence[str]) -> None:
    by_image: Counter[tuple[str, ...]] = Counter()
    by_team: Counter[tuple[str, ...]] = Counter(
        {(team, severity.value, kind.value): 0 for team in teams for severity in Severity for kind in Told}
    )
    for finding in report.findings:
        kind = told(finding)
        if kind is None:
            continue
        what = (finding.severity.value, kind.value)
        if finding.image in images:
            by_image[finding.image, finding.team, *what] += 1
        if (finding.team, *what) in by_team:
            by_team[finding.team, *what] += 1
    gauges.put_all(
        "image_findings", f"Findings of an image: {_CHANGES}", ("image", "team", "severity", "change"), by_image
    )
    gauges.put_all("team_findings", f"Findings of a team: {_CHANGES}", ("team", "severity", "change"), by_team)


def _images(gauges: _Gauges, images: Sequence[FleetImage]) -> None:
    labels = ("image", "team")
    read = [image for image in images if image.origin is not Origin.FAILED]
    gauges.put_all(
        "image_failed", "Whether the image could not be looked at", labels,
        {(image.name, image.team): float(image.origin is Origin.FAILED) for image in images},
    )  # fmt: skip
    gauges.put_all(
        "image_complete", "Whether the image was looked at as a whole", labels,
        {(image.name, image.team): float(image.complete) for image in images},
    )  # fmt: skip
    gauges.put_all(
        "image_size_bytes", "Size of the image's layers", labels,
        {(image.name, image.team): float(image.size_bytes) for image in read},
    )  # fmt: skip
    gauges.put_all(
        "image_reclaimable_bytes", "What the image ships and hides again: wasted", labels,
        {(image.name, image.team): float(image.reclaimable_bytes) for image in read},
    )  # fmt: skip


def _gravest(image: FleetImage) -> tuple[object, ...]:
    counts = dict(image.counts)
    worst_first = sorted(Severity, key=lambda severity: -severity.rank)
    return (image.origin is not Origin.FAILED, *(-counts.get(severity, 0) for severity in worst_first), image.name)


def _timestamp(text: str) -> float:
    """Seconds since 1970 of an ISO time; 0 for none."""
    time = utc_time(text)
    return time.timestamp() if time is not None else 0.0
