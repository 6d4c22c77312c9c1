"""What was settled -> text for people and JSON for programs. Pure; every text from outside is escaped here."""

from __future__ import annotations

from collections.abc import Iterator
from statistics import median
from typing import Any, Final

import msgspec

from imgscan import __version__
from imgscan.delta import noise_of
from imgscan.escape import plain, shorten
from imgscan.optimize.records import Comparison, Proof
from imgscan.optimize.reported import scenario_proof
from imgscan.optimize.settle import Settled
from imgscan.units import human_seconds

NOTHING: Final = "no faster rebuild to propose"
_WIDTH: Final = 200
_SHOWN: Final = 3
_WORDS: Final = {True: "ok", False: "no", None: "-"}


def render_text(settled: Settled, *, asked_for_proof: bool) -> str:
    """The changes, what was not changed and why, and the proof, as a table."""
    return "\n".join(_lines(settled, asked_for_proof=asked_for_proof)) + "\n"


def _lines(settled: Settled, *, asked_for_proof: bool) -> Iterator[str]:
    plan = settled.plan
    if not plan.changes and not settled.withdrawn:
        yield NOTHING
    if plan.changes:
        word = (
            "proved"
            if settled.proof
            else "not proved" + ("" if asked_for_proof else ": --prove builds before and after")
        )
        yield f"CHANGES ({word})"
        yield from (_row(change.line, change.title) for change in plan.changes)
    if settled.withdrawn:
        yield "WITHDRAWN"
        yield from (_row(item.change.line, f"{item.change.title}: {item.reason}") for item in settled.withdrawn)
    if plan.refusals:
        yield "NOT CHANGED"
        yield from (_row(item.line, f"{item.what}: {item.reason}") for item in plan.refusals)
    if settled.proof is not None:
        yield from _proof_lines(settled.proof)


def _row(line: int, text: str) -> str:
    return f"  line {line:<4} {plain(shorten(text, 4 * _WIDTH))}"


def _proof_lines(proof: Proof) -> Iterator[str]:
    yield "PROOF"
    for check in proof.checks:
        name, detail = shorten(check.name, _WIDTH), shorten(check.detail, _WIDTH)
        yield f"  {_WORDS[check.ok]:<4} {plain(name)}: {plain(detail)}"
    if proof.nondeterministic:
        differ = _counted(proof.nondeterministic, proof.nondeterministic_count)
        yield f"  two builds of the original differ in {differ}; these were not compared"
    if proof.left_out:
        yield f"  left out of the image on purpose: {_counted(proof.left_out, proof.left_out_count)}"
    if not proof.comparisons:
        return
    yield "SECONDS          before      after    gain       steps run again"
    for item in proof.comparisons:
        before, after = human_seconds(median(item.before_s)), human_seconds(median(item.after_s))
        steps = f"{item.steps_run_before} -> {item.steps_run_after} of {item.steps_total}"
        touched = f"  ({plain(shorten(item.touched or '', 60))})"
        yield f"  {item.scenario:<14} {before:>9} {after:>9}    {gain_of(item):<10} {steps}{touched}"


def _counted(paths: tuple[str, ...], count: int) -> str:
    shown = ", ".join(plain(shorten(path, 80)) for path in paths[:_SHOWN])
    return f"{count} path{'s' if count != 1 else ''}: {shown}{' …' if count > _SHOWN else ''}"


def gain_of(item: Comparison) -> str:
    """How many times faster, or that no difference can be told from noise."""
    scenario = scenario_proof(item)
    before, after = scenario.before, scenario.after
    if abs(before.median_s - after.median_s) <= noise_of(before, after):
        return "none"
    return f"{before.median_s / max(after.median_s, 0.001):.1f}x" if before.median_s > after.median_s else "slower"


def render_json(settled: Settled, patch: str | None, ref: str) -> bytes:
    """The same as JSON. `patch` is None where it cannot be shown."""
    plan = settled.plan
    document: dict[str, Any] = {
        "schema_version": "1.0",
        "tool": {"name": "imgscan", "version": __version__},
        "target": ref,
        "proved": settled.proof is not None,
        "changes": [
            {"kind": c.kind.value, "line": c.line, "title": c.title, "ignore_lines": list(c.ignore_lines)}
            for c in plan.changes
        ],
        "withdrawn": [
            {"kind": w.change.kind.value, "line": w.change.line, "title": w.change.title, "reason": w.reason}
            for w in settled.withdrawn
        ],
        "not_changed": [
            {"kind": r.kind.value, "line": r.line, "what": r.what, "reason": r.reason} for r in plan.refusals
        ],
        "proof": None if settled.proof is None else msgspec.to_builtins(settled.proof),
        "patch": patch,
    }
    return msgspec.json.format(msgspec.json.encode(_fit(document)), indent=2) + b"\n"


def _fit(value: Any) -> Any:  # noqa: ANN401 - a tree of builtins
    """Texts made fit for UTF-8."""
    if isinstance(value, str):
        return value.encode("utf-8", "backslashreplace").decode()
    if isinstance(value, dict):
        return {key: _fit(item) for key, item in value.items()}
    return [_fit(item) for item in value] if isinstance(value, (list, tuple)) else value
