"""The report as one HTML file: no request leaves it, nothing in it runs but the script that its policy names by hash.

In: a `Report`. Out: the page. `charts` computes where everything stands, `template.html.j2` writes it with autoescape.
"""

from __future__ import annotations

import base64
import hashlib
from importlib.resources import files
from typing import Any, Final

from imgscan.escape import plain
from imgscan.model import Report
from imgscan.report import Style
from imgscan.report.html.charts import WIDTH, fit, gantt, matrix
from imgscan.report.html.icicle import icicles
from imgscan.report.html.page import directory_rows, facts, finding_rows, patch_rows, risk_rows
from imgscan.report.patches import patch_counts, shown_counts
from imgscan.report.proofs import proof_counts, proof_rows
from imgscan.report.register import total_lines
from imgscan.report.summary import rebuild_notes, where
from imgscan.report.todos import todos
from imgscan.units import human_bytes, human_seconds, percent

_HERE: Final = files("imgscan.report.html")


def render(report: Report, style: Style | None = None) -> str:
    """The page. The same report gives the same bytes."""
    css, script = source("style.css"), source("script.js")
    noun, told = shown_counts(report)
    template = environment().get_template("template.html.j2")
    page: str = template.render(
        report=report,
        css=css,
        script=script,
        policy=content_policy(css, script),
        summary=told if noun == "findings" else f"{noun}: {told}",
        facts=facts(report),
        todos=todos(report),
        bytes_charts=icicles(report.image) if report.image else [],
        directories=directory_rows(report),
        scenarios=[gantt(timing) for timing in report.build.scenarios] if report.build else [],
        rebuild_notes=rebuild_notes(report.build.scenarios) if report.build else [],
        cells=matrix([risk for risk in report.risks if risk.applies]),
        totals=total_lines(report),
        patches=patch_rows(report),
        patch_counts=patch_counts(report.proofs),
        proofs=proof_rows(report),
        proof_counts=proof_counts(report),
        risks=risk_rows(report),
        findings=finding_rows(report),
    )
    return page


def source(name: str) -> str:
    """A file beside this module: a template, the style, the script."""
    return _HERE.joinpath(name).read_text(encoding="utf-8")


def environment() -> Any:  # noqa: ANN401 - jinja2 is imported where a page is made
    """What writes a page of ours: it escapes everything, and knows the templates beside this module."""
    import jinja2

    environment = jinja2.Environment(
        autoescape=True, undefined=jinja2.StrictUndefined, trim_blocks=True, lstrip_blocks=True, finalize=_finalize,
        loader=jinja2.FunctionLoader(source),
    )  # fmt: skip
    environment.filters |= {"bytes": human_bytes, "seconds": human_seconds, "percent": percent, "where": where}
    environment.filters["cut"] = lambda text: fit(plain(text), WIDTH)
    return environment


def _finalize(value: object) -> object:
    """What is written: characters that move or hide text are made visible, except in what is ours (`Markup`)."""
    if value is None:
        return ""
    return "\n".join(plain(line) for line in value.split("\n")) if type(value) is str else value


def content_policy(css: str, script: str) -> str:
    """A content security policy that allows this style, this script, and nothing else: no request can leave the
    page."""
    allowed = ("default-src 'none'", f"style-src '{_hash(css)}'", f"script-src '{_hash(script)}'")
    return "; ".join((*allowed, "base-uri 'none'", "form-action 'none'"))


def _hash(text: str) -> str:
    return f"sha256-{base64.b64encode(hashlib.sha256(text.encode()).digest()).decode()}"
