"""What `imgscan optimize` settled -> the report of it, redacted: patches with their proofs, and why other things were
left alone."""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from typing import Final

from imgscan import __version__
from imgscan.cli.session import Session
from imgscan.coverage import limit_skipped
from imgscan.model import SCHEMA_VERSION, BuildInfo, PatchProof, Report, Target, Tool, Verdict
from imgscan.optimize.present import NOTHING
from imgscan.optimize.records import Plan

NOT_PROVED: Final = "no change stood the proof: all of it was withdrawn"
_ALONE: Final = "this report is of patches alone; imgscan lint and imgscan build-report look for findings"


def patch_report(
    ref: str, plan: Plan, proofs: Iterable[PatchProof], build: BuildInfo | None, session: Session, *, failed: bool
) -> Report:
    """The report of the context `ref`. Findings, risks and budgets are not looked at, hence not in it; `failed` says
    that every change was withdrawn, `build` how the proof was built, if it was."""
    inputs, records = plan.inputs, tuple(proofs)
    skipped = limit_skipped(inputs.context.skipped)
    report = Report(
        schema_version=SCHEMA_VERSION,
        tool=Tool(name="imgscan", version=__version__),
        target=Target(kind="build" if build else "context", ref=ref, dockerfile=inputs.dockerfile.file),
        complete=not skipped,
        verdict=Verdict.NO_GO if failed else Verdict.GO,
        reasons=(NOT_PROVED,) if failed else (),
        skipped=skipped,
        build=build,
        notes=(*_notes(plan, nothing=not records), _ALONE),
        proofs=records,
    )
    return session.redactor.sweep(report)


def _notes(plan: Plan, *, nothing: bool) -> Iterator[str]:
    if nothing:
        yield NOTHING
    yield from (f"not changed, line {item.line}: {item.what}: {item.reason}" for item in plan.refusals)
