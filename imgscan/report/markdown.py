"""The report as GitHub/GitLab Markdown: for a step summary, an issue, a pull request.

tabulate's Markdown formats escape nothing, so every cell goes through `escape.markdown`.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from typing import Final

from tabulate import tabulate

from imgscan.escape import markdown, markdown_block, markdown_code, markdown_html, shorten
from imgscan.model import BuildFailure, Finding, Report, Severity, Verdict
from imgscan.report import Style
from imgscan.report.edits import EditSection, edit_sections
from imgscan.report.patches import HEADERS as PATCH_HEADERS
from imgscan.report.patches import PatchSection, patch_counts, patch_sections, shown_counts
from imgscan.report.proofs import HEADERS, proof_counts, proof_rows
from imgscan.report.register import RiskSection, risk_row, risk_sections, total_lines
from imgscan.report.summary import (
    accepted_line,
    accepted_rows,
    base_line,
    budget_row,
    collapse,
    counts,
    dive_line,
    incomplete_line,
    interesting_layers,
    layer_count,
    left_out_count,
    left_out_texts,
    read_line,
    rebuild_notes,
    scenario_row,
    source_line,
    split_findings,
    status_text,
    where,
)
from imgscan.report.todos import todos
from imgscan.units import human_bytes, human_seconds, percent

MARK: Final = {
    Severity.CRITICAL: "🔴",
    Severity.HIGH: "🟠",
    Severity.MEDIUM: "🟡",
    Severity.LOW: "🔵",
    Severity.INFO: "⚪",
}
_EACH: Final = 5
_ROWS: Final = 50
CELL: Final = 120


def render(report: Report, style: Style | None = None) -> str:
    """The whole report; long sections are folded and cut at 50 rows (JSON has all)."""
    return "\n".join(_lines(report)) + "\n"


def _lines(report: Report) -> Iterator[str]:
    sign = "🟢" if report.verdict is Verdict.GO else "🔴"
    yield f"## {sign} imgscan: {report.verdict.value} for {markdown_code(report.target.ref)}"
    yield ""
    said = (": ".join(shown_counts(report)), accepted_line(report), incomplete_line(report))
    yield " ".join(f"{each[0].upper()}{each[1:]}." for each in said if each)
    yield from bullets(report.reasons)
    yield from _todo(report)
    yield from _budgets(report)
    if report.build and report.build.failure:
        yield from _failure(report.build.failure)
    yield from _patches(report)
    yield from _rebuilds(report)
    for section in edit_sections(report.edits) if report.edits else ():
        yield from _edits(section)
    yield from _risks(report)
    yield from _proofs(report)
    for title, findings in split_findings(report):
        yield from _findings(title, findings)
    yield from _accepted(report)
    yield from _image(report)
    yield from _coverage(report)
    yield from bullets([f"Note: {note}" for note in report.notes])


def bullets(texts: Sequence[str]) -> Iterator[str]:
    """A list of these, escaped here, after an empty line; nothing for none."""
    if texts:
        yield ""
        yield from (f"- {markdown(text)}" for text in texts)


def table(rows: Sequence[Sequence[str]], headers: Sequence[str]) -> Iterator[str]:
    """A table after an empty line; its cells are escaped already."""
    yield ""
    yield tabulate(rows, headers, tablefmt="pipe", disable_numparse=True)


def _todo(report: Report) -> Iterator[str]:
    things = todos(report)
    if not things.shown:
        return
    yield "\n### What to do first\n"
    for number, todo in enumerate(things.shown, start=1):
        places = ", ".join(markdown_code(place) for place in todo.where)
        yield f"{number}. {MARK[todo.severity]} {markdown(todo.headline)} ({places})  "
        yield f"   {markdown(' '.join(todo.fix.split()))} ({markdown_code('imgscan explain ' + todo.rule_id)})"
    if things.more:
        yield f"\n… {things.more}."


def _budgets(report: Report) -> Iterator[str]:
    if not report.budgets:
        return
    yield "\n### Budgets"
    rows = [[markdown(cell) for cell in budget_row(budget)] for budget in report.budgets]
    for row, budget in zip(rows, report.budgets, strict=True):
        row[3] = f"**{row[3]}**" if budget.broken else row[3]
    yield from table(rows, ("Budget", "Limit", "Measured", "State", "From"))


def _failure(failure: BuildFailure) -> Iterator[str]:
    yield "\n### The build failed\n"
    line = f"Line {failure.line}: " if failure.line else ""
    yield f"{line}{markdown_code(failure.step)}"
    yield ""
    yield markdown(failure.message)
    if failure.cause:
        yield f"\n**Cause:** {markdown(failure.cause)}"
    if failure.log:
        yield "\n<pre>"
        yield from (markdown_html(text) for text in failure.log)
        yield "</pre>"


def _patches(report: Report) -> Iterator[str]:
    if report.proofs:
        yield f"\n### Patches ({patch_counts(report.proofs)})"
    for section in patch_sections(report):
        yield from _patch(section)


def _patch(section: PatchSection) -> Iterator[str]:
    yield f"\n**{'🟢' if section.proved else '🟡'} {section.outcome}:** {markdown(section.title)}"
    if section.reason:
        yield f"\n{markdown(shorten(section.reason, 4 * CELL))}"
    yield from bullets(section.changes)
    rows = [
        (markdown(name), markdown_code(shorten(touched, CELL)), *figures) for name, touched, *figures in section.rows
    ]
    if rows:
        yield from table(rows, [header.capitalize() for header in PATCH_HEADERS])
    if section.image:
        yield f"\n{markdown(section.image)}"
    if section.checks:
        yield "\n<details><summary>What was checked</summary>"
        yield from bullets([shorten(text, 4 * CELL) for text in section.checks])
        yield "\n</details>"
    if section.patch:
        yield f"\n<details><summary>The patch</summary>\n\n{markdown_block(section.patch, 'diff')}\n\n</details>"


def _rebuilds(report: Report) -> Iterator[str]:
    if not report.build or not report.build.scenarios:
        return
    yield "\n### What an edit costs (measured)"
    rows = [
        (markdown(name), markdown_code(touched), cached, took, markdown_code(shorten(blamed, CELL)))
        for name, touched, cached, took, blamed in map(scenario_row, report.build.scenarios)
    ]
    yield from table(rows, ("Rebuild", "Touched", "Cached steps", "Takes", "Everything re-ran from line"))
    yield from bullets(rebuild_notes(report.build.scenarios))
    busts = report.cache.busts if report.cache else ()
    yield from bullets(
        [
            f"{bust.scenario} re-ran {shorten(bust.step, CELL)} (line {bust.step_line}), "
            f"{human_seconds(bust.seconds)}; to blame is line {bust.blamed.line}: "
            f"{shorten(bust.blamed.instruction, CELL)}"
            for bust in busts
        ]
    )


def _edits(section: EditSection) -> Iterator[str]:
    yield f"\n### {section.title}"
    yield from bullets(section.notes)
    rows = [
        [markdown_code(shorten(cell, CELL)) if at in section.wide else markdown(cell) for at, cell in enumerate(row)]
        for row in section.rows[:_ROWS]
    ]
    if rows:
        yield from table(rows, [header.capitalize() for header in section.headers])


def _risks(report: Report) -> Iterator[str]:
    if not report.risks:
        return
    yield "\n### Risk register\n"
    yield from (f"- {line}" for line in total_lines(report))
    if report.risk_summary is not None:
        yield f"\n**Recommendation:** {markdown(report.risk_summary.recommendation)}"
    rows = []
    for risk in report.risks:
        risk_id, inherent, residual, priority, why = risk_row(risk)
        bold = f"**{residual}**" if risk.applies else residual
        rows.append(
            (risk_id, markdown(risk.description), risk.category, inherent, bold, priority, markdown(shorten(why, 360)))
        )
    headers = ("Risk", "Description", "Category", "Inherent P × I", "Residual P × I", "Priority", "Evidence")
    yield from table(rows, headers)
    for section in risk_sections(report):
        yield from _mitigation(section)


def _proofs(report: Report) -> Iterator[str]:
    if not report.verifications:
        return
    yield f"\n### Proofs\n\n{proof_counts(report)}"
    rows = [(*rest, markdown(shorten(seen, 360))) for *rest, seen in proof_rows(report)]
    yield from table(rows, [header.capitalize() for header in HEADERS])


def _mitigation(section: RiskSection) -> Iterator[str]:
    risk = section.risk
    title = f"{risk.id}: {markdown_html(risk.description)}"
    yield f"\n<details><summary>Mitigation of {title} ({risk.score}, {risk.priority})</summary>"
    if section.places:
        yield "\n**Evidence**"
        more = [f"and {section.more_places} more in the JSON report"] if section.more_places else []
        yield from bullets([*(shorten(place, 4 * CELL) for place in section.places), *more])
    if section.steps:
        yield "\n**To do**\n"
        yield from (f"{number}. {markdown(step)}" for number, step in enumerate(section.steps, start=1))
    if section.advice:
        yield f"\n**In general:** {markdown(section.advice)}"
    for patch in section.patches:
        yield f"\n{markdown_block(patch, 'diff')}"
    if section.more_patches:
        yield f"\n{section.more_patches} more {'patch' if section.more_patches == 1 else 'patches'} in the JSON report."
    if section.verify_by:
        yield f"\n**Verify by:**\n\n{markdown_block(section.verify_by, 'sh')}"
    yield "\n</details>"


def _findings(title: str, findings: Sequence[Finding]) -> Iterator[str]:
    yield f"\n<details><summary>{title} ({len(findings)}: {counts(findings)})</summary>"
    shown = collapse(findings, _EACH)
    rows = [
        (
            f"{MARK[f.severity]} {f.severity}",
            markdown_code(f.rule_id),
            markdown_code(shorten(where(f.location), CELL)),
            markdown(status_text(f)) or "-",
            f.evidence.value,
            markdown(shorten(f.message, 2 * CELL)) + (f" (and {more} like it)" if more else ""),
        )
        for f, more in shown[:_ROWS]
    ]
    yield from table(rows, ("Severity", "Rule", "Where", "Status", "Evidence", "What"))
    left = len(findings) - sum(1 + more for _, more in shown[:_ROWS])
    if left > 0:
        yield f"\n{left} more in the JSON report."
    yield "\n</details>"


def _accepted(report: Report) -> Iterator[str]:
    rows = accepted_rows(report)
    if not rows:
        return
    yield f"\n<details><summary>Accepted ({len(rows)})</summary>"
    shown = [
        (
            f"{MARK[severity]} {severity}",
            markdown_code(rule),
            markdown_code(shorten(place, CELL)),
            markdown(shorten(why, 2 * CELL)),
        )
        for severity, rule, place, why in rows[:_ROWS]
    ]
    yield from table(shown, ("Severity", "Rule", "Where", "Accepted by"))
    if len(rows) > _ROWS:
        yield f"\n{len(rows) - _ROWS} more in the JSON report."
    yield "\n</details>"


def _image(report: Report) -> Iterator[str]:
    image = report.image
    if image is None:
        return
    yield "\n### The image\n"
    yield (
        f"{human_bytes(image.size_bytes)} in {layer_count(image)}, "
        f"{human_bytes(image.reclaimable_bytes)} wasted ({percent(image.efficiency)} efficient). "
        f"{markdown(base_line(report))}"
    )
    yield f"\nThe same {markdown(dive_line(image))}."
    rows = [
        (
            str(layer.index),
            human_bytes(layer.size_bytes),
            human_bytes(layer.reclaimable_bytes) if layer.reclaimable_bytes else "-",
            markdown(source_line(layer.dockerfile)) or "-",
            markdown_code(shorten(layer.instruction or "-", CELL)),
        )
        for layer in interesting_layers(image.layers)
    ]
    if rows:
        yield from table(rows, ("Layer", "Size", "Wasted", "From", "Instruction"))


def _coverage(report: Report) -> Iterator[str]:
    texts = left_out_texts(report)
    if report.coverage:
        yield f"\n<sub>Scanned {read_line(report.coverage, report.skipped)}."
        yield f"imgscan {report.tool.version}, rules: {markdown(', '.join(report.tool.rule_packs))}.</sub>"
    if texts:
        count = left_out_count(report)
        yield f"\n<details><summary>{count} not looked at, or not wholly</summary>"
        yield from bullets(texts[:_ROWS])
        if count > _ROWS:
            yield f"\n{count - _ROWS} more."
        yield "\n</details>"
