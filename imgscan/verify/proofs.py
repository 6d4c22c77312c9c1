"""The list of proofs and what has come of them. In: outcomes as they happen. Out: `Verification`s, and a finding for
each that failed, by the rule that speaks of the same thing."""

from __future__ import annotations

import time
from collections.abc import Callable, Iterable, Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass, field, replace
from typing import Final

from imgscan.escape import plain, shorten
from imgscan.frozen import frozen
from imgscan.model import Evidence, Finding, Location, Outcome, Place, Rule, Verification
from imgscan.rulebook import load_rules, make_finding

_MAX_EVIDENCE: Final = 1_500


@frozen
class Kind:
    """A proof that can be carried out: the risk it is about, the points of that risk's list which a failure proves, and
    what it does, in a few words."""

    risk_id: str
    cites: tuple[str, ...]
    about: str


PROOFS: Final[Mapping[str, Kind]] = {
    "configuration": Kind(
        risk_id="CONFIG-001", cites=("CONFIG-001-01",), about="compose takes the project with the example's variables"
    ),
    "data-volumes": Kind(risk_id="DATA-001", cites=("DATA-001-01",), about="what `down -v` would delete"),
    "wrapper": Kind(risk_id="DATA-001", cites=("DATA-001-08",), about="the wrapper keeps every spelling of -v away"),
    "image-build": Kind(risk_id="TECH-001", cites=(), about="the images build from a clean copy"),
    "start": Kind(risk_id="OPS-001", cites=(), about="all services start and become healthy on fresh volumes"),
    "cold-start": Kind(
        risk_id="OPS-001", cites=("OPS-001-09", "OPS-001-05"), about="nobody starts before what they need answers"
    ),
    "bind": Kind(risk_id="OPS-001", cites=("OPS-001-10",), about="servers listen where others can reach them"),
    "peers": Kind(risk_id="TECH-002", cites=(), about="every connection of the service graph can be made"),
    "restore-drill": Kind(risk_id="OPS-003", cites=(), about="a backup restores to the same rows, and faults are told"),
    "canary": Kind(risk_id="SEC-001", cites=("SEC-001-01",), about="no secret file's content reaches an image"),
}


@frozen
class Fault:
    """What a proof found wrong; `about` is the name (of a service, a script, a host) by which a finding of the same
    thing, made from the files alone, would speak of it."""

    about: str
    finding: Finding


@dataclass(slots=True, kw_only=True)
class Proofs:
    """What has come of a run so far. `clean` takes secrets out of texts; `folders` are those of copies, paths in
    which are told as paths of the project."""

    clean: Callable[[str], str] = str
    folders: tuple[str, ...] = ()
    clock: Callable[[], float] = time.monotonic
    results: list[Verification] = field(default_factory=list)
    faults: list[Fault] = field(default_factory=list)
    _started: float | None = None

    @contextmanager
    def timed(self) -> Iterator[None]:
        """Count the seconds of what is recorded in the block from its beginning."""
        before, self._started = self._started, self.clock()
        try:
            yield
        finally:
            self._started = before

    def passed(self, name: str, evidence: str, subject: str = "") -> None:
        """It was carried out and held."""
        self._add(name, Outcome.PASSED, evidence, subject, ())

    def unverified(self, name: str, why: str, subject: str = "") -> None:
        """It could not be carried out."""
        self._add(name, Outcome.NOT_VERIFIED, why, subject, ())

    def failed(
        self,
        name: str,
        evidence: str,
        subject: str = "",
        *,
        cites: tuple[str, ...] | None = None,
        file: str | None = None,
        line: int | None = None,
        about: str | None = None,
        rule_id: str | None = None,
    ) -> None:
        """It was carried out and showed the fault; `cites` names the points if they are not the proof's own, `about`
        the thing if it is not the subject, `rule_id` a rule in place of the first that cites a point."""
        points = PROOFS[name].cites if cites is None else cites
        record = self._add(name, Outcome.FAILED, evidence, subject, points)
        rule = load_rules()[rule_id] if rule_id is not None else rule_citing(points)
        if rule is None:
            return
        place = Place.SCRIPT if file is not None and not file.endswith((".yml", ".yaml")) else Place.COMPOSE
        shown = f"{record.subject}: " if record.subject else ""
        finding = make_finding(
            rule.id,
            message=f"proven by running it: {shown}{shorten(record.evidence, 300)}",
            location=Location(place=place, path=file, line=line),
            evidence=Evidence.PROVEN,
            identity=("proven", name, record.subject),
        )
        self.faults.append(Fault(about=subject if about is None else about, finding=finding))

    def _add(self, name: str, outcome: Outcome, evidence: str, subject: str, cites: tuple[str, ...]) -> Verification:
        now = self.clock()
        record = Verification(
            name=name,
            risk_id=PROOFS[name].risk_id,
            outcome=outcome,
            evidence=shorten(plain(self.clean(self._relative(evidence))), _MAX_EVIDENCE),
            seconds=round(now - (self._started if self._started is not None else now), 2),
            subject=shorten(plain(self.clean(subject)), 200),
            cites=cites,
        )
        if self._started is not None:
            self._started = now
        self.results.append(record)
        return record

    def _relative(self, text: str) -> str:
        for folder in self.folders:
            text = text.replace(f"{folder}/", "").replace(folder, ".")
        return text


def with_proofs(found: Iterable[Finding], faults: Iterable[Fault]) -> tuple[Finding, ...]:
    """What the files say with what a run showed: a finding of the same rule on the same file that names the same thing
    is proven now, any other fault is a finding of its own."""
    findings = list(found)
    for fault in faults:
        proof = fault.finding
        same = [
            at
            for at, finding in enumerate(findings)
            if finding.rule_id == proof.rule_id
            and proof.location.path in (None, finding.location.path)
            and fault.about in finding.message
        ]
        for at in same:
            message = f"{findings[at].message.rstrip('.')}. {proof.message[:1].upper()}{proof.message[1:]}"
            findings[at] = replace(findings[at], evidence=Evidence.PROVEN, message=message)
        if not same:
            findings.append(proof)
    return tuple(findings)


def rule_citing(points: tuple[str, ...]) -> Rule | None:
    """The first rule that cites one of the points, in the points' order."""
    rules = load_rules().values()
    return next((rule for point in points for rule in rules if point in rule.cites), None)
