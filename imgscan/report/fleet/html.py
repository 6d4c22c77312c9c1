"""A run over a fleet as one HTML file: what is new, what to mend once, and every image with its findings.

In: a `FleetReport` and where the images' own reports come from. Out: the page, as strict as that of one image: no
request leaves it, and nothing in it runs but the script that its policy names by hash.
"""

from __future__ import annotations

from importlib.resources import files
from typing import Final

from imgscan.fleets import Change, FleetReport
from imgscan.report import Style
from imgscan.report.fleet import Load
from imgscan.report.fleet.htmlrows import bases, facts, leaks, news, numbers, teams
from imgscan.report.fleet.overview import by_told, failures
from imgscan.report.html import content_policy, environment, source

_HERE: Final = files("imgscan.report.fleet")
_MOST_TOLD: Final = 500
_FIRST: Final = 20
"""Of the new findings so many are seen at once."""
_OPEN_UP_TO: Final = 40
"""With more images than this, a page begins with the teams closed."""


def render(report: FleetReport, load: Load, style: Style) -> str:
    """The page. `load` is asked for the few images whose new findings need more words; None is an answer. The same
    report gives the same bytes."""
    css = source("style.css") + _text("fleet.css")
    script = _text("fleet.js")
    anchors = numbers(report)
    told, untold = news(report, anchors, load)
    rows = teams(report)
    page: str = environment().from_string(_text("fleet.html.j2")).render(
        report=report,
        css=css,
        script=script,
        policy=content_policy(css, script),
        title=f"imgscan: fleet of {len(report.images):,} image{'s' if len(report.images) != 1 else ''}",
        facts=list(facts(report)),
        changes=_changes(report),
        news=told,
        first=_FIRST,
        news_left=untold,
        leaks=leaks(report, anchors),
        bases=bases(report, anchors),
        teams=rows,
        teams_open=len(rows) == 1 or len(report.images) <= _OPEN_UP_TO,
        findings_left=sum(row.more for team in rows for row in team.images),
        images_left=sum(team.more for team in rows),
        failed=failures(report),
        most=_MOST_TOLD,
    )  # fmt: skip
    return page.rstrip("\n") + "\n"


def _changes(report: FleetReport) -> dict[str, int]:
    """How many findings are told how, and how many are accepted."""
    counts = {kind.value: len(found) for kind, found in by_told(report).items()}
    accepted = sum(1 for one in report.findings if one.accepted and one.change is not Change.FIXED)
    return {**counts, "accepted": accepted}


def _text(name: str) -> str:
    return _HERE.joinpath(name).read_text(encoding="utf-8")
