"""The report for a terminal, read top to bottom: the verdict, what to do first, then the evidence.

Every text that comes from an image or a repository goes through `escape.plain`.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from typing import Final

from imgscan.escape import log_lines, plain, shorten
from imgscan.model import BuildInfo, Finding, ImageReport, Report, Timing, Verdict, WasteCause
from imgscan.report import Style
from imgscan.report.edits import EditSection, edit_sections
from imgscan.report.patches import HEADERS as PATCH_HEADERS
from imgscan.report.patches import PatchSection, patch_counts, patch_sections, shown_counts
from imgscan.report.proofs import HEADERS, proof_counts, proof_rows
from imgscan.report.register import RiskSection, not_applicable_lines, risk_row, risk_sections, total_lines
from imgscan.report.summary import (
    accepted_line,
    accepted_rows,
    base_line,
    budget_row,
    collapse,
    dive_line,
    incomplete_line,
    installs_again,
    interesting_layers,
    layer_count,
    place_text,
    read_line,
    rebuild_notes,
    scenario_row,
    source_line,
    split_findings,
    status_text,
    unread_text,
)
from imgscan.report.terminal import Pen
from imgscan.report.todos import todos
from imgscan.units import human_bytes, human_seconds, percent

_EACH: Final = 3
"""Findings of a rule before they are cut; `--verbose` and JSON have all."""
_REASON_LINES: Final = 20


def render(report: Report, style: Style) -> str:
    """The whole report as text."""
    return log_lines("\n".join(_lines(report, Pen(style))) + "\n")


def _lines(report: Report, pen: Pen) -> Iterator[str]:
    yield from _headline(report, pen)
    yield from _todo(report, pen)
    yield from _budgets(report, pen)
    if report.build and report.build.failure:
        yield from _failure(report.build, pen)
    yield from _patches(report, pen)
    if report.build and report.build.scenarios:
        yield from _rebuilds(report, report.build.scenarios, pen)
    for section in edit_sections(report.edits) if report.edits else ():
        yield from _edits(section, pen)
    for title, findings in split_findings(report):
        yield from _findings(title, findings, pen)
    yield from _accepted(report, pen)
    if report.image:
        yield from _image(report, report.image, pen)
    yield from _risks(report, pen)
    yield from _proofs(report, pen)
    yield from _coverage(report, pen)
    for note in report.notes:
        yield from pen.wrap(f"note: {note}", "  ")


def _headline(report: Report, pen: Pen) -> Iterator[str]:
    target = report.target
    title = f"imgscan {report.tool.version}  {plain(target.ref)}"
    if target.dockerfile:
        title += f"  ({plain(target.dockerfile)})"
    yield pen.paint(title, "1")
    if report.build:
        build = report.build
        engine = f"{plain(build.engine)}, store {plain(build.store)}, {build.cpus} CPUs"
        yield f"built with {plain(build.builder)} on engine {engine}"
    good = report.verdict is Verdict.GO
    yield ""
    badge = pen.paint(f" {report.verdict.value} ", "1;30;42" if good else "1;37;41")
    yield f"{badge}  {': '.join(shown_counts(report))}"
    for reason in report.reasons:
        yield from pen.wrap(f"- {reason}", "  ")
    if accepted := accepted_line(report):
        yield f"  {accepted}" + ("" if pen.style.verbose else " (-v lists them)")
    if incomplete := incomplete_line(report):
        yield "  " + pen.paint(f"{incomplete} (listed below)", "33")


def _todo(report: Report, pen: Pen) -> Iterator[str]:
    things = todos(report)
    if not things.shown:
        return
    yield pen.heading("What to do first")
    for number, todo in enumerate(things.shown, start=1):
        first, *rest = pen.wrap(f"{todo.headline} [{todo.rule_id}]", "     ") or [""]
        yield f"  {number}. {pen.severity(todo.severity)}: {first.strip()}"
        yield from rest
        yield from (pen.paint(line, "2") for line in pen.wrap("at " + "; ".join(todo.where), "     "))
        yield from pen.wrap(f"fix: {todo.fix}", "     ")
    if things.more:
        yield f"  … {things.more}"
    yield "  More on any of these: imgscan explain <rule>"


def _budgets(report: Report, pen: Pen) -> Iterator[str]:
    if not report.budgets:
        return
    yield pen.heading("Budgets")
    rows = []
    for budget in report.budgets:
        key, limit, actual, state, source = budget_row(budget)
        rows.append(
            (key, limit, actual, pen.paint(state, "31") if budget.broken else state, shorten(plain(source), 64))
        )
    yield pen.table(rows, ("budget", "limit", "measured", "", "from"))


def _failure(build: BuildInfo, pen: Pen) -> Iterator[str]:
    failure = build.failure
    if failure is None:
        return
    yield pen.heading("The build failed")
    line = f"line {failure.line}: " if failure.line else ""
    yield from pen.wrap(f"step    {line}{failure.step}", "  ")
    yield from pen.wrap(f"engine  {failure.message}", "  ")
    if failure.cause:
        yield from pen.wrap(f"cause   {failure.cause}", "  ")
    if failure.log:
        yield "  log"
        yield from (f"    {shorten(plain(text), pen.width - 4)}" for text in failure.log)


def _patches(report: Report, pen: Pen) -> Iterator[str]:
    if not report.proofs:
        return
    yield pen.heading(f"Patches ({patch_counts(report.proofs)})")
    for section in patch_sections(report):
        yield from _patch(section, pen)


def _patch(section: PatchSection, pen: Pen) -> Iterator[str]:
    first, *rest = pen.wrap(section.title, "  ") or [""]
    yield f"  {pen.paint(section.outcome, '32' if section.proved else '33')}: {first.strip()}"
    yield from rest
    yield from (line for text in (section.reason, *section.changes) for line in pen.wrap(text, "    "))
    room = max(16, pen.width - 92)
    rows = [(name, shorten(plain(touched), room), *figures) for name, touched, *figures in section.rows]
    if rows:
        yield pen.table(rows, PATCH_HEADERS, right=(2, 3, 4))
    yield from pen.wrap(section.image, "    ")
    if pen.style.verbose:
        yield from (line for text in section.checks for line in pen.wrap(text, "    "))
        # Not at the beginning of a line, where a log may take `::` for a command.
        yield from (f"    | {plain(line)}" for line in section.patch.splitlines())


def _rebuilds(report: Report, timings: Sequence[Timing], pen: Pen) -> Iterator[str]:
    yield pen.heading("What an edit costs (measured)")
    room = max(20, pen.width - 66)
    rows = [
        (name, shorten(plain(touched), 28), cached, took, shorten(plain(blamed), room))
        for name, touched, cached, took, blamed in map(scenario_row, timings)
    ]
    yield pen.table(rows, ("rebuild", "touched", "cached", "takes", "everything re-ran from line"), right=(2, 3))
    for note in rebuild_notes(timings):
        yield from pen.wrap(note, "  ")
    cache = report.cache
    if cache is None:
        return
    for bust in cache.busts:
        blame = f"line {bust.blamed.line}: {bust.blamed.instruction}"
        again = f"{bust.scenario} re-ran `{bust.step}` (line {bust.step_line}), {human_seconds(bust.seconds)}"
        yield from pen.wrap(f"{again}; to blame is {blame}", "  ")
    if cache.source_hit_ratio is not None and not cache.busts and not installs_again(report):
        yield "  A source edit re-runs no dependency install."


def _edits(section: EditSection, pen: Pen) -> Iterator[str]:
    yield pen.heading(section.title)
    yield from (line for text in section.notes for line in pen.wrap(text, "  "))
    room = max(20, pen.width - section.taken)
    rows = [
        [shorten(plain(cell), room if at in section.wide else 40) for at, cell in enumerate(row)]
        for row in section.rows[: pen.rows(section.rows)]
    ]
    if rows:
        yield pen.table(rows, section.headers, right=section.right)
    if len(section.rows) > len(rows):
        yield f"  … and {len(section.rows) - len(rows)} more (-v shows all)"


def _findings(title: str, findings: Sequence[Finding], pen: Pen) -> Iterator[str]:
    yield pen.heading(f"{title} ({len(findings)})")
    shown = [(f, 0) for f in findings] if pen.style.verbose else collapse(findings, _EACH)
    shown = shown[: pen.rows(shown)]
    lines = [shorten(plain(source_line(f.location.dockerfile)), 24) for f, _ in shown]
    states = [status_text(f) for f, _ in shown]
    taken = 32 + max(len(f.rule_id) for f, _ in shown) + max(map(len, lines)) + max(map(len, states))
    rows = [
        (pen.severity(f.severity), f.rule_id, _place(f, more, pen.width - taken), line, f.evidence.value, state)
        for (f, more), line, state in zip(shown, lines, states, strict=True)
    ]
    # What is only in the project has no status, and no column for it.
    width = 6 if any(states) else 5
    yield pen.table([row[:width] for row in rows], ("severity", "rule", "where", "from", "evidence", "status")[:width])
    left = len(findings) - sum(1 + more for _, more in shown)
    if left > 0:
        yield f"  … and {left} more (-v shows all)"


def _accepted(report: Report, pen: Pen) -> Iterator[str]:
    rows = accepted_rows(report) if pen.style.verbose else []
    if not rows:
        return
    yield pen.heading(f"Accepted ({len(rows)})")
    # The reason is why the list is read; the place can be found again by its ends.
    room = max(40, pen.width - 16 - max(len(rule) for _, rule, _, _ in rows))
    reason = min(max(len(plain(why)) for *_, why in rows), room * 2 // 3)
    shown = [
        (pen.severity(severity), rule, shorten(plain(place), room - reason), pen.cell(why, reason, _REASON_LINES))
        for severity, rule, place, why in rows
    ]
    yield pen.table(shown, ("severity", "rule", "where", "accepted by"))


def _place(finding: Finding, more: int, room: int) -> str:
    """Where it is, and in how many places else; `more` findings like it are not shown."""
    extra = len(finding.places) - 1
    tail = f" +{extra} {'place' if extra == 1 else 'places'}" if extra > 0 else ""
    tail += f"  (and {more} like it)" if more else ""
    return shorten(plain(place_text(finding.location)), max(16, room - len(tail))) + tail


def _image(report: Report, image: ImageReport, pen: Pen) -> Iterator[str]:
    yield pen.heading("The image")
    yield (
        f"  {human_bytes(image.size_bytes)} in {layer_count(image)}, {human_bytes(image.visible_bytes)} visible, "
        f"{human_bytes(image.reclaimable_bytes)} wasted ({percent(image.efficiency)} efficient)"
    )
    yield f"  {dive_line(image)}"
    if base := base_line(report):
        yield f"  {base}"
    room = max(20, pen.width - 48)
    rows = [
        (
            str(layer.index),
            human_bytes(layer.size_bytes),
            human_bytes(layer.reclaimable_bytes) if layer.reclaimable_bytes else "-",
            plain(source_line(layer.dockerfile)) or "-",
            shorten(plain(layer.instruction or "-"), room),
        )
        for layer in interesting_layers(image.layers)
    ]
    if rows:
        yield pen.table(rows, ("layer", "size", "wasted", "from", "instruction"), right=(0, 1, 2))
    yield from _waste(image, pen)


def _waste(image: ImageReport, pen: Pen) -> Iterator[str]:
    # Duplicates are visible, not wasted; the finding layer-duplicate-files names the large ones.
    waste = [w for w in image.waste if w.cause is not WasteCause.DUPLICATE]
    if not waste:
        return
    worst = sorted(waste, key=lambda w: (-w.bytes, w.path))
    shown = worst[: pen.rows(worst)]
    yield ""
    rows = [
        (
            human_bytes(w.bytes),
            w.cause.value,
            f"{w.shipped_by} → {w.shadowed_by}" if w.shadowed_by is not None else str(w.shipped_by),
            shorten(plain(w.path), max(20, pen.width - 50)),
        )
        for w in shown
    ]
    yield pen.table(rows, ("bytes", "wasted because", "layers", "path"), right=(0,))
    if len(worst) > len(shown):
        rest = sum(w.bytes for w in worst[len(shown) :])
        yield f"  … and {len(worst) - len(shown)} more, {human_bytes(rest)} (-v shows all)"


def _risks(report: Report, pen: Pen) -> Iterator[str]:
    if not report.risks:
        return
    yield pen.heading("Risk register")
    room = max(24, pen.width - 52)
    rows = [
        (risk_id, inherent, residual, priority, pen.cell(why, room))
        for risk_id, inherent, residual, priority, why in (risk_row(risk) for risk in report.risks if risk.applies)
    ]
    yield pen.table(rows, ("risk", "inherent", "residual", "priority", "because"))
    for line in not_applicable_lines(report.risks):
        yield from pen.wrap(f"not applicable: {line}", "  ")
    # What the catalogue has is the same for every project: the figures that the evidence gives are what is new.
    for line in total_lines(report)[1 if pen.style.verbose else 2 : 3]:
        yield from pen.wrap(line, "  ")
    if report.risk_summary is not None:
        yield from pen.wrap(f"recommendation: {report.risk_summary.recommendation}", "  ")
    for section in risk_sections(report) if pen.style.verbose else ():
        yield from _mitigation(section, pen)


def _proofs(report: Report, pen: Pen) -> Iterator[str]:
    if not report.verifications:
        return
    yield pen.heading("Proofs")
    room = max(24, pen.width - 62)
    yield pen.table([(*rest, shorten(plain(seen), room)) for *rest, seen in proof_rows(report)], HEADERS)
    yield from pen.wrap(proof_counts(report), "  ")


def _mitigation(section: RiskSection, pen: Pen) -> Iterator[str]:
    yield ""
    yield "  " + pen.paint(f"{section.risk.id}  {plain(section.risk.description)}", "1")
    for number, step in enumerate(section.steps, start=1):
        first, *rest = pen.wrap(step, "     ") or [""]
        yield f"  {number}. {first.strip()}"
        yield from rest
    yield from pen.wrap(f"in general: {section.advice}", "     ")
    if section.verify_by:
        yield f"     verify by: {plain(section.verify_by)}"


def _coverage(report: Report, pen: Pen) -> Iterator[str]:
    coverage = report.coverage
    if coverage:
        yield pen.heading("Coverage")
        yield f"  scanned {read_line(coverage, report.skipped)}"
        for item in coverage.not_read[: pen.rows(coverage.not_read)]:
            yield from pen.wrap(f"not read: {unread_text(item)}", "  ")
        left = len(coverage.not_read) + coverage.not_listed - pen.rows(coverage.not_read)
        if left > 0:
            yield f"  … and {left} more" + ("" if pen.style.verbose else " (-v and JSON list more)")
        yield f"  rules: {plain(', '.join(report.tool.rule_packs))}"
    for skipped in report.skipped[: pen.rows(report.skipped)]:
        yield from pen.wrap(f"skipped: {skipped.where}: {skipped.reason}", "  ")
