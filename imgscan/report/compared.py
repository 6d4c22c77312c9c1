"""What lies between two reports, said as a table, as Markdown or as JSON. In: a `Delta`. Out: text."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from typing import Final

from imgscan.delta import Delta, Figure, FolderChange, RiskChange, StepChange, Unit
from imgscan.directorychanges import DirectoryChange
from imgscan.escape import log_lines, markdown, markdown_code, plain, shorten
from imgscan.model import Finding
from imgscan.report import Style
from imgscan.report.summary import where
from imgscan.units import human_bytes, human_seconds, percent

_ROWS: Final = 20
_LONGEST: Final = 70
_LEAST_FACTOR: Final = 10
_LARGEST_FACTOR: Final = 1000
SAME: Final = "~"
"""What a change within noise is called."""


def render_table(delta: Delta, style: Style) -> str:
    """For a terminal: what changed, the worst first; `style.verbose` shows every row."""
    return log_lines(_Page(plain, plain, style.verbose, tablefmt="plain").text(delta))


def render_markdown(delta: Delta, style: Style | None = None) -> str:
    """For a summary, an issue, a review."""
    return _Page(markdown, markdown_code, False, tablefmt="pipe").text(delta)


def render_json(delta: Delta, style: Style | None = None) -> str:
    """Every field, two spaces of indent, with what follows from a figure (`change`, `differs`, `worse`)."""
    import msgspec

    from imgscan.report.json import indented_json

    data = msgspec.to_builtins(delta)
    for shown, figure in zip(data["figures"], delta.figures, strict=True):
        shown |= {"change": figure.change, "differs": figure.differs, "worse": figure.worse}
    return indented_json(data)


RENDERERS: Final[dict[str, Callable[[Delta, Style], str]]] = {
    "table": render_table,
    "markdown": render_markdown,
    "json": render_json,
}


def figure_row(figure: Figure) -> tuple[str, str, str, str]:
    """Name, before, after, change: `~` within noise, nothing where there is nothing to compare with."""
    return figure.name, _value(figure, figure.base, 0), _value(figure, figure.head, 1), change_text(figure)


def change_text(figure: Figure) -> str:
    """The change with its sign, and its share of what was before."""
    change = figure.change
    if change is None:
        return "new" if figure.base is None and figure.head is not None else ""
    if not figure.differs:
        return SAME
    sign = "+" if change > 0 else "−"
    return f"{sign}{amount_text(figure.unit, abs(change))}{share_text(figure, sign)}"


def amount_text(unit: Unit, amount: float) -> str:
    """How much a value changed, without a sign; a ratio by points, as a share of a share would mislead."""
    return f"{amount * 100:.1f} points" if unit is Unit.RATIO else value_text(unit, amount)


def share_text(figure: Figure, sign: str) -> str:
    """A change as a share of what was before, in brackets: a factor where it is many times as much, nothing where there
    was next to nothing before."""
    if not figure.base or figure.head is None or figure.unit not in (Unit.BYTES, Unit.SECONDS):
        return ""
    factor = figure.head / figure.base
    if factor > _LARGEST_FACTOR:
        return ""
    if factor >= _LEAST_FACTOR:
        return f" (×{factor:,.0f})"
    return f" ({sign}{abs(figure.head - figure.base) / figure.base * 100:.1f} %)"


def signed_bytes(change: int) -> str:
    """A difference with its sign."""
    return f"{'+' if change > 0 else '−'}{human_bytes(abs(change))}"


def _directory_words(change: DirectoryChange) -> str:
    """What a directory had and has, `new` and `gone` where that is certain; and whether its change is only that outside
    of directories in it that are told of themselves."""
    if change.base is not None and change.head is not None:
        rest = " elsewhere in it" if change.head - change.base != change.change else ""
        return f"{rest} ({human_bytes(change.base)}, now {human_bytes(change.head)})"
    word, when = ("new", "before") if change.base is None else ("gone", "now")
    return f" ({human_bytes(change.slack)} or less {when})" if change.slack else f" ({word})"


def _value(figure: Figure, value: float | None, side: int) -> str:
    if value is None:
        return "-"
    total = figure.of[side]
    return f"{value:.0f} of {total}" if total is not None else value_text(figure.unit, value)


def value_text(unit: Unit, value: float) -> str:
    """A value as people write it."""
    match unit:
        case Unit.BYTES:
            return human_bytes(round(value))
        case Unit.SECONDS:
            return human_seconds(value)
        case Unit.RATIO:
            return percent(value)
        case Unit.COUNT:
            return f"{value:.0f}"


class _Page:
    """One writer for the two text formats: how a text is escaped, how code is marked, how a table is drawn."""

    def __init__(self, text: Callable[[str], str], code: Callable[[str], str], verbose: bool, *, tablefmt: str) -> None:
        self.escape, self.code, self.verbose, self.tablefmt = text, code, verbose, tablefmt

    def text(self, delta: Delta) -> str:
        """Everything that changed."""
        return "\n".join((*self._lines(delta), ""))

    def _lines(self, delta: Delta) -> Iterator[str]:
        yield from self._head(delta)
        rows = [figure_row(figure) for figure in delta.figures if self.verbose or figure.differs or _always(figure)]
        if rows:
            # Other reports take words from here, which draw no table.
            from tabulate import tabulate

            yield ""
            cells = [(self.escape(name), *values) for name, *values in rows]
            yield tabulate(cells, ("", "before", "after", "change"), tablefmt=self.tablefmt, disable_numparse=True)
        yield from self._findings("New findings", delta.new)
        yield from self._findings("Gone", delta.fixed)
        yield from self._list("Risks", [self._risk(change) for change in delta.risks])
        yield from self._list("Steps of rebuilds", [self._step(change) for change in delta.steps])
        yield from self._list("Bytes by directory", [self._directory(change) for change in delta.directories])
        yield from self._list("Wasted, by folder", [self._folder(change) for change in delta.folders])

    def _head(self, delta: Delta) -> Iterator[str]:
        verdict = delta.head_verdict.value
        if delta.base_verdict is not delta.head_verdict:
            verdict = f"{delta.base_verdict.value}, now {verdict}"
        mark = "## " if self.tablefmt == "pipe" else ""
        yield f"{mark}imgscan: {verdict}: {self.escape(delta.base.ref)} compared with {self.escape(delta.head.ref)}"
        yield ""
        moved = f", {len(delta.moved)} of them moved" if delta.moved else ""
        yield f"{len(delta.new)} new, {len(delta.fixed)} gone, {delta.standing} in both{moved}."
        for side in delta.incomplete:
            yield f"The {side} report did not look at everything: what seems new or gone may not be."
        if delta.is_empty:
            yield "Nothing else changed."

    def _findings(self, title: str, findings: Sequence[Finding]) -> Iterator[str]:
        yield from self._list(title, [self._finding(finding) for finding in findings])

    def _finding(self, finding: Finding) -> str:
        place = self.code(where(finding.location))
        return f"{finding.severity} {self.code(finding.rule_id)} {self.escape(finding.message)} ({place})"

    def _list(self, title: str, items: Sequence[str]) -> Iterator[str]:
        if not items:
            return
        shown = items if self.verbose else items[:_ROWS]
        yield ""
        yield f"### {title}" if self.tablefmt == "pipe" else title
        yield ""
        yield from (f"- {item}" for item in shown)
        if len(items) > len(shown):
            yield f"- and {len(items) - len(shown)} more"

    def _risk(self, change: RiskChange) -> str:
        before, after = ("not weighed" if score is None else str(score) for score in (change.base, change.head))
        return f"{self.escape(change.id)} {self.escape(change.description)}: {before}, now {after}"

    def _step(self, change: StepChange) -> str:
        became = "runs again" if change.cached_before else "is cached now"
        line = f"line {change.line} " if change.line else ""
        seconds = f", {human_seconds(change.seconds)}" if change.cached_before else ""
        instruction = self.code(shorten(change.instruction, _LONGEST))
        return f"{self.escape(change.scenario)}: {line}{instruction} {became}{seconds}"

    def _directory(self, change: DirectoryChange) -> str:
        return f"{self.code(change.path)} {signed_bytes(change.change)}{_directory_words(change)}"

    def _folder(self, change: FolderChange) -> str:
        return f"{self.code(change.folder)} {signed_bytes(change.head - change.base)}"


def _always(figure: Figure) -> bool:
    """What a reader looks for also when it did not change."""
    return figure.key in ("size-bytes", "seconds-touch-source", "seconds-touch-lockfile")
