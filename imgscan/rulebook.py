"""The rule book: `rules/*.yml` and `rules/secrets/*.yml` as `Rule` records, and findings made from them.

The same record is what `imgscan explain`, `imgscan rules`, the documentation and the machine formats show.
"""

from __future__ import annotations

import hashlib
from collections.abc import Mapping
from functools import cache
from pathlib import Path
from typing import Any, Final

from imgscan.errors import ImgscanError
from imgscan.model import Confidence, Evidence, Finding, Fix, Location, Rule, Severity, Status, Validity
from imgscan.parsed import load_parsed

RULE_FILES: Final = (
    "backup.yml",
    "cache.yml",
    "config.yml",
    "context.yml",
    "data.yml",
    "env.yml",
    "health.yml",
    "layers.yml",
    "network.yml",
    "proofs.yml",
    "tech.yml",
)
_FINGERPRINT_CHARS: Final = 16


@cache
def rules_dir() -> Path:
    """Where the rule packs lie: inside the installed package, or beside it in a source checkout."""
    # `importlib.resources` would say the same, and take as long as a twentieth of a scan of what is known.
    inside = Path(__file__).parent / "rules"
    return inside if inside.is_dir() else Path(__file__).resolve().parent.parent / "rules"


def load_yaml(path: Path) -> Any:  # noqa: ANN401 - a YAML document has no type
    """A YAML file of ours. Raises ImgscanError when it cannot be read, which is a fault of the installation."""
    try:
        return load_parsed(path)
    except Exception as error:  # of the file system, or YAML's, whose package is imported only where it is needed
        raise ImgscanError(f"the rule file {path.name} cannot be read: {error}") from error


@cache
def load_rules() -> Mapping[str, Rule]:
    """Every rule that is not a secret rule, by id."""
    records = [record for name in RULE_FILES for record in load_yaml(rules_dir() / name)["rules"]]
    return {record["id"]: rule_from_record(record) for record in records}


@cache
def rules_of(name: str) -> frozenset[str]:
    """The ids of the rules of one file of the book."""
    return frozenset(record["id"] for record in load_yaml(rules_dir() / name)["rules"])


def rule_from_record(record: Mapping[str, Any]) -> Rule:
    """One record of a rule file; a missing key is a bug of the pack and raises KeyError with its name."""
    return Rule(
        id=record["id"],
        title=record["title"],
        severity=Severity(record["severity"]),
        confidence=Confidence(record["confidence"]),
        why=record["why"].strip(),
        fix=record["fix"].strip(),
        bad=record["bad"].strip("\n"),
        good=record["good"].strip("\n"),
        risk_id=record.get("risk_id"),
        since=record.get("since", "0.1.0"),
        source=record.get("source"),
        cites=tuple(record.get("cites", ())),
    )


def fingerprint(rule_id: str, *identity: str) -> str:
    """16 hex digits over the rule and what makes the finding itself; no line numbers, no plaintext of short secrets."""
    joined = "\x1f".join((rule_id, *identity)).encode("utf-8", "surrogatepass")
    return hashlib.sha256(joined).hexdigest()[:_FINGERPRINT_CHARS]


def make_finding(
    rule_id: str,
    *,
    message: str,
    location: Location,
    evidence: Evidence,
    identity: tuple[str, ...],
    severity: Severity | None = None,
    confidence: Confidence | None = None,
    fix: Fix | None = None,
    places: tuple[Location, ...] = (),
    status: Status | None = None,
    validity: Validity | None = None,
    excerpt: str | None = None,
) -> Finding:
    """A finding of a rule of the book; what is not given is the rule's own."""
    rule = load_rules()[rule_id]
    return Finding(
        rule_id=rule_id,
        severity=severity or rule.severity,
        confidence=confidence or rule.confidence,
        evidence=evidence,
        risk_id=rule.risk_id,
        message=message,
        fingerprint=fingerprint(rule_id, *identity),
        location=location,
        fix=fix or Fix(text=rule.fix),
        places=places or (location,),
        status=status,
        validity=validity,
        excerpt=excerpt,
    )
