"""What edits cost, as sections of a heading, sentences and a table that every text format shows its own way.

In: `EditCosts`. Out: plain, unescaped values; the formats escape them at their sink.
"""

from __future__ import annotations

from collections.abc import Iterator
from typing import Final

from imgscan.editcosts import Basis, EditCosts, History, Prediction
from imgscan.frozen import frozen
from imgscan.model import BustedBy
from imgscan.units import human_seconds, percent

_SOURCES: Final = {
    "measured": "from builds just measured",
    "report": "from the timings of the report",
    "estimate": "from the seconds given with --estimate; steps without any take none",
}
_DAYS: Final = 10
_HISTORY: Final = "What the latest commits cost (predicted)"


@frozen
class EditSection:
    """One table with its heading and sentences. `right` are the columns of figures, `wide` those of paths and
    instructions, `taken` how many characters the other columns need."""

    title: str
    notes: tuple[str, ...]
    headers: tuple[str, ...]
    rows: tuple[tuple[str, ...], ...]
    right: tuple[int, ...] = ()
    wide: tuple[int, ...] = ()
    taken: int = 40


def edit_sections(edits: EditCosts) -> Iterator[EditSection]:
    """The sections in reading order."""
    if edits.predictions:
        yield _predictions(edits)
    if edits.history is not None:
        yield _history(edits.history, edits.basis)
        yield from (section for section in (_paths(edits.history), _instructions(edits.history)) if section.rows)


def _predictions(edits: EditCosts) -> EditSection:
    rows = [
        (
            prediction.name,
            ", ".join(prediction.touched),
            f"{prediction.steps_cached} / {prediction.steps_total}",
            _range(prediction.seconds, prediction.low_s, prediction.high_s),
            "-" if prediction.measured_s is None else human_seconds(prediction.measured_s),
            _blame(prediction.busted_by),
        )
        for prediction in edits.predictions
    ]
    doubt = [p for p in edits.predictions if not all(step.sure for step in p.steps)]
    notes = [_basis(edits.basis)]
    if doubt:
        notes.append(
            f"The least of {_named(doubt)} is for the case that a stage which runs again comes out the same: what is "
            "copied from it then is a hit."
        )
    return EditSection(
        title="What an edit costs (predicted)",
        notes=tuple(notes),
        headers=("edit", "touched", "cached", "takes (least to most)", "measured", "everything re-runs from line"),
        rows=tuple(rows),
        right=(2, 3, 4),
        wide=(1, 5),
        taken=96,
    )


def _history(history: History, basis: Basis) -> EditSection:
    priced = history.commits - history.free
    if not history.commits:
        why = f": {history.left_out}" if history.left_out else ""
        return EditSection(title=_HISTORY, notes=(f"No commit could be replayed{why}.",), headers=(), rows=())
    noun = "commit" if history.commits == 1 else "commits"
    notes = [
        _basis(basis),
        f"{history.commits} {noun} replayed with today's Dockerfile, merges left out: "
        f"{_range(history.seconds, history.low_s, history.high_s)} in all; {priced} re-run something, "
        f"{history.free} nothing.",
    ]
    if history.left_out:
        notes.append(f"Fewer than were asked for: {history.left_out}.")
    if history.unpriced:
        notes.append(
            f"{history.unpriced} of them changed the Dockerfile or its ignore file; what that re-ran is not counted."
        )
    if history.per_day:
        days = len(history.per_day)
        notes.append(f"On {days} days; a day with commits costs {human_seconds(history.seconds / days)} on average.")
    notes += [
        f"Mending line {saving.line} ({saving.rule_id}) would have saved {human_seconds(saving.seconds)} in "
        f"{saving.commits} of these rebuilds."
        for saving in history.savings
    ]
    worst = sorted(history.per_day, key=lambda day: (-day.seconds, day.day))[:_DAYS]
    return EditSection(
        title=_HISTORY,
        notes=tuple(notes),
        headers=("costliest days", "commits", "takes"),
        rows=tuple((day.day, str(day.commits), human_seconds(day.seconds)) for day in worst),
        right=(1, 2),
    )


def _paths(history: History) -> EditSection:
    return EditSection(
        title="Paths that cost most",
        notes=("An edit of the path alone, times its commits; paths of one commit share what they re-run.",),
        headers=("path", "commits", "each", "in all"),
        rows=tuple(
            (path.path, str(path.commits), human_seconds(path.each_s), human_seconds(path.seconds))
            for path in history.paths
        ),
        right=(1, 2, 3),
        wide=(0,),
    )


def _instructions(history: History) -> EditSection:
    return EditSection(
        title="Instructions that cost most",
        notes=(),
        headers=("line", "instruction", "commits", "in all", "re-runs from line"),
        rows=tuple(
            (
                str(item.line or "?"),
                item.instruction,
                str(item.commits),
                human_seconds(item.seconds),
                _blame(item.busted_by),
            )
            for item in history.instructions
        ),
        right=(0, 2, 3),
        wide=(1, 4),
        taken=76,
    )


def _basis(basis: Basis) -> str:
    fixed = f"a rebuild in which all is cached takes {human_seconds(basis.fixed_s)}, " if basis.fixed_s else ""
    return (
        f"Predicted {_SOURCES.get(basis.source, basis.source)}: {fixed}a cold one {human_seconds(basis.cold_s)}; equal "
        f"builds differ by ±{percent(basis.spread)}."
    )


def _named(predictions: list[Prediction]) -> str:
    return ", ".join(dict.fromkeys(prediction.name for prediction in predictions))


def _range(seconds: float, low_s: float, high_s: float) -> str:
    return f"{human_seconds(seconds)} ({human_seconds(low_s)} to {human_seconds(high_s)})"


def _blame(busted_by: BustedBy | None) -> str:
    return "-" if busted_by is None else f"{busted_by.line or '?'}: {busted_by.instruction}"
