"""What tests of a fleet's store put into it."""

from __future__ import annotations

import hashlib
from typing import Any

from imgscan.fleets import FleetImage, Origin, SealedLayer
from imgscan.model import Severity, Verdict
from imgscan.store.fleetrecords import FoundFinding, RecordedImage

DAY_S = 86_400


def at(day: int) -> str:
    """The morning of a day, as an ISO time in UTC."""
    return f"2026-{1 + day // 28:02}-{1 + day % 28:02}T04:00:00+00:00"


def image(name: str = "shop", **changes: Any) -> FleetImage:
    fields: dict[str, Any] = {
        "name": name,
        "ref": f"{name}@sha256:{'ab' * 32}",
        "team": "web",
        "origin": Origin.NEW,
        "key": f"key of {name}",
        "complete": True,
        "verdict": Verdict.NO_GO,
        "counts": ((Severity.HIGH, 2),),
        "layers": ("sha256:01", "sha256:02"),
    }
    return FleetImage(**fields | changes)


def found(names: str, **changes: Any) -> list[FoundFinding]:
    """One finding for each letter."""
    fields: dict[str, Any] = {"rule_id": "secret-x", "severity": Severity.HIGH, "layer": "sha256:01"}
    return [FoundFinding(**{"fingerprint": name * 16, "message": f"thing {name}"} | fields | changes) for name in names]


def letters(findings: Any) -> str:
    return "".join(sorted(finding.fingerprint[0] for finding in findings))


def told(recorded: RecordedImage) -> tuple[str, str, str]:
    """What is new, what stands, what is fixed."""
    return letters(recorded.new), letters(recorded.standing), letters(recorded.fixed)


def diff_id(number: int) -> str:
    return f"sha256:{number:064x}"


def sealed(number: int, blocks: int = 3, size_bytes: int = 5000) -> SealedLayer:
    """A layer's result whose bytes anybody can say again who knows the number."""
    return SealedLayer(
        diff_id=diff_id(number),
        summary=content(f"{number} summary", size_bytes),
        blocks=tuple(content(f"{number} {block}", size_bytes) for block in range(blocks)),
    )


def content(seed: str, size_bytes: int) -> bytes:
    digest = hashlib.sha256(seed.encode()).digest()
    return (digest * (size_bytes // len(digest) + 1))[:size_bytes]
