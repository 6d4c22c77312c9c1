"""The comment on a pull request or merge request. In: a report, and that of the branch it goes into if there is one.
Out: Markdown that fits into a comment: the verdict first, then only what changed, the rest folded.

The report may come from a run of somebody else's code. So every text of it goes through `escape`, no line begins with
one, and the first line, by which the comment is found again, is made of the name the user gave alone.
"""

from __future__ import annotations

import re
from collections.abc import Callable, Iterator, Sequence
from enum import StrEnum
from typing import Final

from imgscan.acceptance import open_findings
from imgscan.delta import Delta, compare
from imgscan.errors import InputError
from imgscan.escape import markdown, markdown_code, markdown_html_code, plain, shorten
from imgscan.frozen import frozen
from imgscan.lazyre import lazy_re
from imgscan.model import Finding, Report, Severity, Status, Verdict
from imgscan.report.commentrows import is_news, phrases, sign, table
from imgscan.report.compared import signed_bytes
from imgscan.report.summary import (
    collapse,
    left_out_count,
    ordered,
    place_text,
    source_line,
    status_sentence,
    unread_text,
)
from imgscan.units import human_seconds

DEFAULT_NAME: Final = "default"
GITHUB_LIMIT: Final = 65_536
GITLAB_LIMIT: Final = 1_000_000
"""Characters of a comment: what GitHub's API refuses more of (422), what GitLab's notes API documents."""
_NAME: Final = lazy_re(r"[A-Za-z0-9][A-Za-z0-9._/:-]{0,99}")
_URL: Final = lazy_re(r"https?://[A-Za-z0-9.\-\[\]:]+(/[A-Za-z0-9._~%!$&'()*+,;=:@/?#-]*)?")
_MARK: Final = {
    Severity.CRITICAL: "🔴",
    Severity.HIGH: "🟠",
    Severity.MEDIUM: "🟡",
    Severity.LOW: "🔵",
    Severity.INFO: "⚪",
}
_TELLS_STATUS: Final = lazy_re(r"\b(?:still (?:in|downloaded|there)|(?:deleted|overwritten|removed) (?:by|later))\b")
_MOST_LISTED: Final = 10
_EACH: Final = 3
_MOST_FOLDED: Final = 50
_MOST_REASONS: Final = 5
_MOST_PATCHES: Final = 3
_MOST_DIRECTORIES: Final = 3
_TEXT: Final = 300
_PATCH_LINES: Final = 200


class When(StrEnum):
    """When a comment is made; one that is there is brought up to date in any case."""

    ALWAYS = "always"
    CHANGES = "changes"
    FINDINGS = "findings"


@frozen
class CommentStyle:
    """`name` tells several comments on one pull request apart. `labels` are the heads of the columns before and after,
    `limit` the characters that fit, `url` where the whole report is ("": not told)."""

    name: str = DEFAULT_NAME
    labels: tuple[str, str] = ("base", "this change")
    limit: int = GITHUB_LIMIT
    url: str = ""


@frozen
class _Block:
    """Lines that stay or go together. Of those that have to go, the largest `rank` goes first; 0 stays."""

    lines: tuple[str, ...]
    rank: int = 0


def marker(name: str) -> str:
    """The first line of the comment of that name. Raises InputError for a name that would not stay in that line."""
    if not _NAME.fullmatch(name) or "--" in name:
        raise InputError(
            f"{shorten(name, 100)!r} cannot be the name of a comment",
            cause="it is made of letters, digits and single . _ / : -, up to 100",
            next_step="imgscan comment --name backend",
        )
    return f"<!-- imgscan:v1:{name} -->"


def is_url(text: str) -> bool:
    """Whether it is a plain http(s) address."""
    return _URL.fullmatch(text) is not None


def check_url(url: str) -> str:
    """The address as it is, or "". Raises InputError for anything but a plain http(s) address."""
    if url and not is_url(url):
        raise InputError("the address of the whole report is no http(s) address", next_step="see --report-url")
    return url


def is_worth_saying(report: Report, base: Report | None, when: When) -> bool:
    """Whether a comment that is not there yet should be made."""
    if when is When.ALWAYS or (report.build and report.build.failure):
        return True
    if base is None:
        return bool(open_findings(report.findings)) or (when is When.CHANGES and report.verdict is Verdict.NO_GO)
    delta = compare(base, report)
    if when is When.FINDINGS:
        return bool(delta.new)
    changed = delta.base_verdict is not delta.head_verdict or any(map(is_news, delta.figures))
    return bool(changed or delta.new or delta.fixed or delta.steps or delta.risks)


def render(report: Report, base: Report | None, style: CommentStyle) -> str:
    """The body of the comment, of at most `style.limit` characters."""
    delta = compare(base, report) if base is not None else None
    blocks = [_Block(lines=(marker(style.name), *_head(report, delta, style)))]
    blocks += _figures(report, base, style)
    blocks += _findings(report, delta)
    blocks += _risks(delta)
    blocks += _directories(delta)
    blocks += _steps(delta)
    blocks += _patches(report, delta)
    blocks += _known(report, base)
    return _fitted(blocks, _foot(report, base, style), style)


def _head(report: Report, delta: Delta | None, style: CommentStyle) -> Iterator[str]:
    title = style.name if style.name != DEFAULT_NAME else shorten(report.target.ref, _TEXT)
    said = ", ".join(list(phrases(report, delta))[:4]) or "nothing changed"
    yield f"### {sign(report, delta)} imgscan: {report.verdict.value} for {markdown_code(title)} — {said}"
    yield ""
    failure = report.build.failure if report.build else None
    if failure:
        line = f"line {failure.line}: " if failure.line else ""
        yield f"- {line}{markdown_code(shorten(failure.step, _TEXT))}: {_prose(failure.cause or failure.message)}"
    if report.verdict is Verdict.NO_GO:
        yield from (f"- {_prose(reason)}" for reason in report.reasons[:_MOST_REASONS])
    yield from _notes(report, delta)


def _notes(report: Report, delta: Delta | None) -> Iterator[str]:
    if delta is None:
        yield ""
        yield (
            "> No base report to compare with: these are all findings, not those of this change. `--base` takes the "
            "report of the branch this goes into; it is missing as long as imgscan has not run there."
        )
    incomplete = delta.incomplete if delta else () if report.complete else ("head",)
    if incomplete:
        names = {"base": "the base report", "head": "this report"}
        yield ""
        yield (
            f"> Not everything was looked at for {' and for '.join(names[name] for name in incomplete)}: "
            "what is missing there may be there all the same."
        )


def _figures(report: Report, base: Report | None, style: CommentStyle) -> Iterator[_Block]:
    head, rule, *rows = table(report, base, style.labels) or ("", "")
    if rows:
        yield _Block(lines=("", head, rule), rank=1)
        yield from (_Block(lines=(row,), rank=2) for row in rows)
    if rows and base and report.build and base.build and _machine(base) != _machine(report):
        yield _Block(lines=("", "> The seconds of the two reports are of different builders or machines."))


def _machine(report: Report) -> tuple[object, ...]:
    build = report.build
    return (build.builder, build.engine, build.store, build.cpus) if build else ()


def _findings(report: Report, delta: Delta | None) -> Iterator[_Block]:
    found = list(delta.new) if delta else open_findings(report.findings)
    yield from _list("New findings" if delta else "Findings", found, _bullet, rank=4)
    if delta:
        yield from _list("Fixed", list(delta.fixed), _fixed_bullet, rank=6)


def _list(title: str, found: Sequence[Finding], bullet: Callable[[Finding], str], *, rank: int) -> Iterator[_Block]:
    if not found:
        return
    yield _Block(lines=("", f"**{title}**", ""), rank=rank - 1)
    shown = collapse(ordered(found), _EACH)
    for finding, more in shown[:_MOST_LISTED]:
        yield _Block(lines=(bullet(finding) + (f" (and {more} more like it)" if more else ""),), rank=rank)
    left = sum(1 + more for _, more in shown[_MOST_LISTED:])
    if left:
        yield _Block(lines=(f"- and {left} more in the whole report",), rank=rank - 1)


def _bullet(finding: Finding) -> str:
    spot, line = place_text(finding.location), source_line(finding.location.dockerfile)
    places = [markdown_code(shorten(text, _TEXT)) for text in dict.fromkeys((spot, line)) if text]
    text = f"- {_MARK[finding.severity]} {markdown_code(shorten(finding.rule_id, _TEXT))}"
    text += f" in {', '.join(places)}" if places else ""
    text += f" — {_prose(finding.message)}"
    gone = finding.status if finding.status is not Status.VISIBLE else None
    # Many messages say it themselves, and by what.
    if gone is None or _TELLS_STATUS.search(finding.message):
        return text
    return f"{text.removesuffix('.')}; {status_sentence(gone)}"


def _fixed_bullet(finding: Finding) -> str:
    spot = place_text(finding.location)
    where = f" in {markdown_code(shorten(spot, _TEXT))}" if spot else ""
    return f"- ✅ {markdown_code(shorten(finding.rule_id, _TEXT))}{where}"


def _risks(delta: Delta | None) -> Iterator[_Block]:
    changes = delta.risks[:_MOST_LISTED] if delta else ()
    if changes:
        texts = (
            f"{markdown_code(shorten(risk.id, _TEXT))} {'–' if risk.base is None else risk.base} → "
            f"{'–' if risk.head is None else risk.head}"
            for risk in changes
        )
        yield _Block(lines=("", f"**Risk scores**: {', '.join(texts)}"), rank=7)


def _directories(delta: Delta | None) -> Iterator[_Block]:
    """Where the image grew or shrank, if it did."""
    if delta and any(figure.key == "size-bytes" and is_news(figure) for figure in delta.figures):
        texts = [
            f"{markdown_code(shorten(change.path, _TEXT))} {signed_bytes(change.change)}"
            for change in delta.directories[:_MOST_DIRECTORIES]
        ]
        if texts:
            yield _Block(lines=("", f"**Bytes by directory**: {', '.join(texts)}"), rank=7)


def _steps(delta: Delta | None) -> Iterator[_Block]:
    changes = delta.steps if delta else ()
    lines = [
        f"- {_prose(step.scenario)}: {markdown_code(shorten(step.instruction, _TEXT))}"
        + (f" (line {step.line})" if step.line else "")
        + (f" runs again, {human_seconds(step.seconds)}" if step.cached_before else " is cached now")
        for step in changes
    ]
    yield from _folded(f"{len(lines)} {'step' if len(lines) == 1 else 'steps'} cached otherwise than before", lines, 8)


def _patches(report: Report, delta: Delta | None) -> Iterator[_Block]:
    """What is new first; findings may share a patch."""
    new = {finding.fingerprint for finding in delta.new} if delta else set()
    found = sorted(ordered(open_findings(report.findings)), key=lambda finding: finding.fingerprint not in new)
    patches: dict[str, list[Finding]] = {}
    for finding in found:
        if finding.fix.patch:
            patches.setdefault(finding.fix.patch, []).append(finding)
    short = [(patch, mended) for patch, mended in patches.items() if patch.count("\n") <= _PATCH_LINES]
    for patch, mended in short[:_MOST_PATCHES]:
        rules = dict.fromkeys(markdown_html_code(shorten(finding.rule_id, _TEXT)) for finding in mended)
        fixes = dict.fromkeys(f"Fix: {_prose(finding.fix.text)}" for finding in mended)
        title = f"Suggested patch for {', '.join(list(rules)[:_MOST_PATCHES])}"
        lines = [line for fix in list(fixes)[:_MOST_PATCHES] for line in (fix, "")]
        yield from _folded(title, [*lines, *_fenced(patch)], 9)
    left = len(patches) - len(short[:_MOST_PATCHES])
    if left:
        text = f"{left} more {'patch is' if left == 1 else 'patches are'} in the whole report."
        yield _Block(lines=("", text), rank=9)


def _fenced(patch: str) -> Iterator[str]:
    """A diff as a block of code, whose fence is longer than any in it. A line that begins with a slash or
    a comment, as none of a diff does, gets a blank before it: GitLab might take it for a command."""
    lines = [plain(shorten(line, 2 * _TEXT)) for line in patch.removesuffix("\n").split("\n")]
    longest = max((len(run) for line in lines for run in re.findall(r"`+", line)), default=0)
    fence = "`" * max(3, longest + 1)
    yield f"{fence}diff"
    yield from (f" {line}" if not line or line.startswith(("/", "<")) else line for line in lines)
    yield fence


def _known(report: Report, base: Report | None) -> Iterator[_Block]:
    """What was there before, and what could not be looked at."""
    before = {finding.fingerprint for finding in open_findings(base.findings)} if base else set()
    known = [finding for finding in ordered(open_findings(report.findings)) if finding.fingerprint in before]
    lines = [_bullet(finding) for finding in known[:_MOST_FOLDED]]
    if len(known) > _MOST_FOLDED:
        lines.append(f"- and {len(known) - _MOST_FOLDED} more in the whole report")
    yield from _folded(f"{len(known)} known {'finding' if len(known) == 1 else 'findings'}", lines, 10)
    texts = [f"{item.where}: {item.reason}" for item in report.skipped]
    texts += [unread_text(item) for item in (report.coverage.not_read if report.coverage else ())]
    skipped = [f"- {_prose(text)}" for text in texts[:_MOST_FOLDED]]
    yield from _folded(f"{left_out_count(report)} not looked at, or not wholly", skipped, 11)


def _folded(title: str, lines: Sequence[str], rank: int) -> Iterator[_Block]:
    """A section that opens on a click. Markdown means nothing in `title`, but entities do."""
    if lines:
        head = ("", f"<details><summary>{title}</summary>", "")
        yield _Block(lines=(*head, *lines, "", "</details>"), rank=rank)


def _foot(report: Report, base: Report | None, style: CommentStyle) -> str:
    parts = ["~ is within the noise"] if base else []
    runs = {len(timing.seconds) for timing in report.build.scenarios} if report.build else set()
    if runs:
        parts.append(f"seconds are medians of {max(runs)} {'run' if max(runs) == 1 else 'runs'}")
    worst = (list(compare(base, report).new) if base else open_findings(report.findings))[:1]
    parts += [markdown_code(f"imgscan explain {shorten(finding.rule_id, _TEXT)}") for finding in worst]
    if style.url:
        parts.append(f'<a href="{check_url(style.url).replace("&", "&amp;")}">whole report</a>')
    parts.append(f"imgscan {_prose(report.tool.version)}")
    return f"<sub>{' · '.join(parts)}</sub>"


def _fitted(blocks: Sequence[_Block], foot: str, style: CommentStyle) -> str:
    """The blocks in their order, without as many as it takes, and what was left out."""
    kept = list(blocks)
    text = _joined(kept, "", foot)
    while _length(text) > style.limit and any(block.rank for block in kept):
        worst = max(block.rank for block in kept)
        last = max(at for at, block in enumerate(kept) if block.rank == worst)
        del kept[last]
        place = f"at {style.url}" if style.url else "in the JSON report of this run"
        left = len(blocks) - len(kept)
        parts = "1 part is" if left == 1 else f"{left} parts are"
        text = _joined(kept, f"> Too long for a comment: {parts} only {place}.", foot)
    return text


def _joined(blocks: Sequence[_Block], note: str, foot: str) -> str:
    lines = [line for block in blocks for line in block.lines]
    lines += [*(("", note) if note else ()), "", foot, ""]
    return "\n".join(line for at, line in enumerate(lines) if line or at == 0 or lines[at - 1] or at == len(lines) - 1)


def _length(text: str) -> int:
    """Characters as a forge may count them at most: those beyond the first plane as two."""
    return len(text) + sum(1 for ch in text if ord(ch) > 0xFFFF)


def _prose(text: str) -> str:
    # Blanks at the beginning of an item would make it a block of code.
    return markdown(shorten(text.strip(), _TEXT))
