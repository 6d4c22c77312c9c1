"""A run over a fleet, made by hand: some of everything that there is to tell."""

from __future__ import annotations

from dataclasses import replace
from typing import Any

from imgscan.fleet.outline import base_images, shared_leaks, with_bases
from imgscan.fleets import Change, FleetFigures, FleetFinding, FleetImage, FleetReport, NotListed, Origin
from imgscan.model import Digest, Report, Severity, Verdict

AT = "2026-05-11T06:00:00Z"
BASE = "sha256:" + "ba" * 32
LEAK = "sha256:" + "1e" * 32


def layer(number: int) -> str:
    return f"sha256:{number:064x}"


def image(name: str, **changes: Any) -> FleetImage:
    fields: dict[str, Any] = {
        "name": name, "ref": f"registry://{name}", "team": "payments", "origin": Origin.NEW, "platform": "linux/amd64",
        "digest": Digest("sha256:" + "d1" * 32), "key": f"key-{name}", "complete": True, "verdict": Verdict.GO,
        "size_bytes": 120_000_000, "reclaimable_bytes": 3_000_000, "layers": (BASE, LEAK), "created": "2026-05-01T10:00:00Z",
    }  # fmt: skip
    return FleetImage(**{**fields, **changes})


def finding(name: str, **changes: Any) -> FleetFinding:
    fields: dict[str, Any] = {
        "image": name, "team": "payments", "fingerprint": "f" * 16, "rule_id": "secret-github-token", "severity": Severity.HIGH,
        "message": "GitHub token in /app/.env; in layer 1", "change": Change.STANDING, "first_seen": "2026-05-01T06:00:00Z",
        "last_seen": AT, "layer": "",
    }  # fmt: skip
    return FleetFinding(**{**fields, **changes})


def run_of(images: tuple[FleetImage, ...], findings: tuple[FleetFinding, ...], **changes: Any) -> FleetReport:
    """A run of these, with what they have in common."""
    based = with_bases(images)
    ordered = tuple(sorted(findings, key=lambda one: (-one.severity.rank, one.rule_id, one.image, one.fingerprint)))
    fields: dict[str, Any] = {
        "run": 7, "started_at": AT, "finished_at": "2026-05-11T06:01:30Z", "version": "1.2.3", "rule_packs": ("imgscan (172 rules)",),
        "complete": True, "images": based, "findings": ordered,
        "shared": shared_leaks(based, ordered, {LEAK: "COPY config /etc/app", BASE: "ADD rootfs.tar /"}),
        "bases": base_images(based, ordered), "figures": FleetFigures(images=len(images)),
    }  # fmt: skip
    return FleetReport(**{**fields, **changes})


def fleet_report(**changes: Any) -> FleetReport:
    """A morning's run: a base image that leaks into its images, a layer that two share, one that failed."""
    shop = [
        image(f"acme/shop{number}", layers=(BASE, LEAK, layer(number)), team="shop", counts=((Severity.CRITICAL, 1),))
        for number in range(1, 4)
    ]
    images = (
        image("acme/base", layers=(BASE,), team="platform", created="2025-11-01T10:00:00Z", size_bytes=80_000_000),
        *shop,
        image("acme/pay", layers=(BASE, layer(9)), complete=False, origin=Origin.KEPT, verdict=Verdict.NO_GO),
        image(
            "acme/gone", origin=Origin.FAILED, error="the registry does not have it: 404", digest=None, key="",
            complete=False, verdict=None, size_bytes=0, reclaimable_bytes=0, layers=(), created="", team="",
        ),
    )  # fmt: skip
    everywhere = [one.name for one in images if BASE in one.layers]
    teams = {one.name: one.team for one in images}
    findings = (
        *(
            finding(name, team=teams[name], layer=BASE, fingerprint="b" * 16, rule_id="secret-private-key",
                    message="Private key in /root/.ssh/id_rsa; in layer 0 (ADD …)")
            for name in everywhere
        ),
        *(
            finding(one.name, team="shop", layer=LEAK, fingerprint="c" * 16, severity=Severity.CRITICAL,
                    message="GitHub token in /etc/app/env; in layer 1 (COPY …)", change=Change.NEW, first_seen=AT)
            for one in shop
        ),
        finding("acme/pay", rule_id="config-root-user", severity=Severity.MEDIUM, message="no USER is set", change=Change.NEW, first_seen=AT),
        finding("acme/pay", fingerprint="e" * 16, change=Change.FIXED, fixed_at=AT, message="GitHub token in /tmp/t"),
        finding("acme/shop3", team="shop", fingerprint="9" * 16, change=Change.NEW, first_run=True, first_seen=AT,
                rule_id="layer-junk", severity=Severity.LOW, message="1.30 MB in 73 files"),
        finding("acme/base", team="platform", fingerprint="8" * 16, accepted=True, message="a test's token"),
    )  # fmt: skip
    figures = FleetFigures(
        images=6, images_kept=1, images_failed=1, layers=12, layers_distinct=6, layers_kept=4, layers_read=2,
        bytes_distinct=240_000_000, bytes_read=12_000_000, seconds=8.25,
    )  # fmt: skip
    made = run_of(
        images, findings, complete=False, figures=figures, notes=("no longer among the sources: acme/old",),
        not_listed=(NotListed(source="registry://other.example/", reason="the catalogue cannot be listed: 401"),),
    )  # fmt: skip
    return replace(made, **changes)


def no_report(image: FleetImage) -> Report | None:
    """No image has a report of its own."""
    return None
