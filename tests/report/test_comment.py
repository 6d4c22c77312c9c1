"""The comment on a pull request: the verdict first, only what changed, within the limit, and hostile names stay text."""

from __future__ import annotations

import re
from dataclasses import replace
from typing import Any

import pytest
from fakes import HOSTILE, directory, finding, image, proof, report, risk, timing
from hypothesis import example, given
from hypothesis import strategies as st
from markdownmodel import rendered

from imgscan.errors import InputError
from imgscan.model import (
    BuildFailure,
    BuildInfo,
    Coverage,
    Evidence,
    Finding,
    Fix,
    Location,
    NotRead,
    Place,
    Report,
    Severity,
    Skipped,
    SourceLine,
    Status,
    Step,
    Target,
    Timing,
    Tool,
    Verdict,
)
from imgscan.report.comment import (
    GITHUB_LIMIT,
    CommentStyle,
    When,
    check_url,
    is_worth_saying,
    marker,
    render,
)

PATCH = "--- a/Dockerfile\n+++ b/Dockerfile\n@@ -1,2 +1,2 @@\n-COPY . .\n RUN pnpm install\n+COPY . .\n"
BUILD = BuildInfo(builder="buildkit", engine="28.5", store="overlay2", cpus=2)


def build(*timings: Timing, **changes: Any) -> BuildInfo:
    return replace(BUILD, scenarios=timings, **changes)


def slow(**changes: Any) -> Timing:
    return timing(**{"seconds": (26.0, 26.1, 27.0), "median_s": 26.1, "spread_s": 1.0, "steps_cached": 1, **changes})


KNOWN = finding(rule_id="config-root", severity=Severity.MEDIUM, message="The image runs as root", fingerprint="a" * 16,
                location=Location(place=Place.DOCKERFILE, path="Dockerfile", line=3), places=(), status=None)  # fmt: skip
SECRET = finding()
CACHE = finding(rule_id="cache-copy-before-install", severity=Severity.HIGH, message="COPY . . comes before pnpm install",
                evidence=Evidence.PROVEN, fingerprint="b" * 16, status=None, places=(),
                location=Location(place=Place.DOCKERFILE, path="Dockerfile", line=9),
                fix=Fix(text="Copy the manifests first.", patch=PATCH))  # fmt: skip
BASE = report(
    complete=True, skipped=(), coverage=None, verdict=Verdict.GO, reasons=(), findings=(KNOWN,), risks=(), image=image(),
    build=build(timing(), timing(name="touch-lockfile", median_s=61.0, seconds=(60.0, 61.0, 64.0), spread_s=4.0)),
)  # fmt: skip
HEAD = replace(
    BASE, verdict=Verdict.NO_GO, reasons=("2 findings of severity high or above",), findings=(KNOWN, SECRET, CACHE),
    image=image(size_bytes=130_000_000), risks=(risk(),),
    build=build(slow(), timing(name="touch-lockfile", median_s=60.0, seconds=(58.0, 60.0, 62.0), spread_s=4.0)),
)  # fmt: skip
STYLE = CommentStyle(name="app", labels=("main", "this pull request"), url="https://forge.example/run/1?a=1&b=2")


def test_the_whole_comment() -> None:
    assert render(HEAD, BASE, STYLE).splitlines()[:9] == [
        "<!-- imgscan:v1:app -->",
        "### 🔴 imgscan: NO-GO for `app` — 2 new findings (1 critical, 1 high), 20.0 MB bigger, "
        "source rebuild 3.1× slower, GO before",
        "",
        "- 2 findings of severity high or above",
        "",
        "| | main | this pull request | change |",
        "|:--|--:|--:|--:|",
        "| Image size | 110 MB | 130 MB | **+20.0 MB (+18.2 %)** 🔺 |",
        "| Rebuild after a source edit | 8.4 s ± 0.50 s | 26.1 s ± 0.50 s | **+17.7 s** 🔺 |",
    ]


def test_inside_noise_is_a_tilde_and_never_an_arrow() -> None:
    (row,) = [line for line in render(HEAD, BASE, STYLE).splitlines() if "lockfile edit" in line]
    assert row.endswith("| 61.0 s ± 2.0 s | 60.0 s ± 2.0 s | ~ |")


def test_what_is_equal_has_no_row() -> None:
    body = render(HEAD, BASE, STYLE)
    assert "Wasted" not in body
    assert "nothing changed" in render(BASE, BASE, STYLE)
    assert "|" not in render(BASE, BASE, STYLE)


def test_the_three_directories_that_changed_most() -> None:
    sizes = {"/a": 1_000_000, "/b": 15_000_000, "/c": 3_000_000, "/d": 1_500_000}
    more = tuple(directory(path, (1, size, 0)) for path, size in sizes.items())
    whole = directory("/", (0, 100_000_000, 0), (1, 10_000_000 + sum(sizes.values()), 0))
    grown = image(size_bytes=130_500_000, directories=(whole, *image().directories[1:], *more))
    body = render(replace(HEAD, image=grown), BASE, STYLE)
    told = "**Bytes by directory**: `/b` +15.0 MB, `/c` +3.00 MB, `/d` +1.50 MB"
    assert told in body.splitlines()
    assert "Bytes by directory" not in render(replace(HEAD, image=replace(grown, size_bytes=110_000_000)), BASE, STYLE)


def test_a_few_bytes_are_noise() -> None:
    head = replace(BASE, image=image(size_bytes=110_000_900))
    assert not is_worth_saying(head, BASE, When.CHANGES)
    assert "|" not in render(head, BASE, STYLE)
    head = replace(BASE, image=image(size_bytes=9_996_000))
    assert "| 9.99 MB | 10.0 MB | ~ |" in render(head, replace(BASE, image=image(size_bytes=9_990_000)), STYLE)


def test_at_most_six_rows_the_worse_first() -> None:
    names = ("cold", "noop", "touch-source", "touch-lockfile", "touch-script", "touch-unrelated", "build-arg")
    base = replace(BASE, build=build(*(timing(name=name) for name in names)))
    worse = [timing(name=name) if name == "cold" else slow(name=name) for name in names]
    better = replace(worse[0], median_s=5.0)
    lines = render(replace(HEAD, build=build(better, *worse[1:])), base, STYLE).splitlines()
    rows = [line for line in lines if line.startswith("| ") and not line.startswith("| |")]
    assert len(rows) == 6
    assert "Rebuild after a source edit" in rows[1]
    assert not any("from nothing" in row for row in rows)


def test_without_a_base_nothing_is_made_up() -> None:
    body = render(HEAD, None, STYLE)
    assert "No base report to compare with" in body
    assert "%" not in body
    assert "🔺" not in body
    assert "New findings" not in body
    assert "secret-github-token" in body


def test_a_figure_the_base_has_not_is_new() -> None:
    body = render(HEAD, replace(BASE, build=None), STYLE)
    assert "| – | 26.1 s ± 0.50 s | new |" in body


def test_patches_are_not_told_in_comments() -> None:
    assert render(replace(HEAD, proofs=(proof(),)), BASE, STYLE) == render(HEAD, BASE, STYLE)


def test_what_is_new_fixed_and_known() -> None:
    page = rendered(render(replace(HEAD, findings=(SECRET, CACHE)), replace(BASE, findings=(KNOWN, CACHE)), STYLE))
    text = "".join(page.text)
    new, rest = text.split("Fixed")
    assert "secret-github-token in layer 5 /app/backend/.env:2, Dockerfile:14" in new
    assert "deleted later, still in the image" in new
    assert "✅ config-root in Dockerfile:3" in rest
    assert "1 known finding" in rest
    assert "cache-copy-before-install" in rest
    assert "COPY . ." in rest


@pytest.mark.parametrize(
    ("message", "status", "told"),
    [
        pytest.param("Tests in /srv (3.00 MB).", Status.DELETED, "Tests in /srv (3.00 MB); deleted later, still in the image", id="a-full-stop"),
        pytest.param("a token; deleted by layer 9, but anyone can still read layer 3: rotate it", Status.DELETED, "rotate it", id="by-whom"),
        pytest.param("3.00 MB shipped by line 4, removed by line 8: still downloaded.", Status.DELETED, "still downloaded.", id="shipped"),
        pytest.param("a token", Status.VISIBLE, "a token", id="visible"),
        pytest.param("a token", Status.OVERWRITTEN, "a token; overwritten later, still in the image", id="overwritten"),
    ],
)  # fmt: skip
def test_what_became_of_it_is_said_once(message: str, status: Status, told: str) -> None:
    page = rendered(render(replace(HEAD, findings=(replace(SECRET, message=message, status=status),)), BASE, STYLE))
    (line,) = [line for line in "".join(page.text).splitlines() if "secret-github-token in" in line]
    assert line.endswith(told)


def test_a_factor_in_place_of_a_thousand_percent() -> None:
    small = replace(BASE, image=image(size_bytes=1_000_000))
    text = render(replace(HEAD, image=image(size_bytes=50_000_000)), small, STYLE)
    assert "×50" in text
    assert "4900" not in text


def test_all_mended() -> None:
    body = render(BASE, HEAD, STYLE)
    assert body.splitlines()[1].startswith("### ✅ imgscan: GO for `app` — 2 fixed, NO-GO before")
    assert "🔴" not in body.splitlines()[1]
    clean = replace(BASE, findings=())
    assert "### ✅ imgscan: GO for `app` — no findings" in render(clean, None, STYLE)


def test_mended_within_a_pull_request_is_no_change_to_the_base() -> None:
    assert "### ✅ imgscan: GO for `app` — nothing changed" in render(BASE, BASE, STYLE)


def test_a_build_that_failed() -> None:
    failure = BuildFailure(step="RUN make", line=4, message="exit code 2", log=(), cause="make is not installed")
    head = replace(HEAD, build=replace(BUILD, failure=failure), verdict=Verdict.NO_GO, image=None)
    body = render(head, BASE, STYLE)
    assert "— the build failed" in body
    assert "- line 4: `RUN make`: make is not installed" in body
    assert is_worth_saying(head, BASE, When.FINDINGS)


def test_what_was_not_looked_at_is_told() -> None:
    skipped = (Skipped(where="layer 3", reason="it ends early"),)
    body = render(replace(HEAD, complete=False, skipped=skipped), BASE, STYLE)
    assert "> Not everything was looked at for this report" in body
    assert "layer 3: it ends early" in "".join(rendered(body).text)


def test_seconds_of_two_machines_are_told() -> None:
    other = replace(HEAD, build=build(slow(), cpus=16))
    assert "different builders or machines" in render(other, BASE, STYLE)
    assert "different builders or machines" not in render(HEAD, BASE, STYLE)


def test_the_same_thing_many_times_is_one_line() -> None:
    many = tuple(finding(fingerprint=f"{at:016x}") for at in range(40))
    body = render(replace(HEAD, findings=many), BASE, STYLE)
    assert body.count("secret-github-token` in") == 3
    assert "(and 37 more like it)" in body


def test_steps_and_risks_and_patch() -> None:
    step = Step(stage="build", ordinal=2, instruction="RUN pnpm install", line=12, cached=True, seconds=0.0)
    base = replace(BASE, build=build(timing(steps=(step,))))
    head = replace(HEAD, build=build(slow(steps=(replace(step, cached=False, seconds=17.0),))))
    text = "".join(rendered(render(head, base, STYLE)).text)
    assert "touch-source: RUN pnpm install (line 12) runs again, 17.0 s" in text
    assert "SEC-001 – → 9" in text
    assert PATCH in text


def test_a_patch_is_folded_and_goes_before_the_findings_where_there_is_no_room() -> None:
    body = render(HEAD, BASE, STYLE)
    start = body.index("<details><summary>Suggested patch for <code>cache-copy-before-install</code>")
    folded = body[start : body.index("</details>", start)]
    assert f"```diff\n{PATCH}```" in folded
    short = render(HEAD, BASE, replace(STYLE, limit=start + 300))
    assert "Suggested patch" not in short
    assert "cache-copy-before-install" in short


def test_a_patch_that_findings_share_is_told_of_all_of_them() -> None:
    shared = Fix(text="Mend it.", patch=PATCH)
    both = tuple(replace(CACHE, fingerprint=f"{at:016x}", rule_id=f"rule-{at}", fix=shared) for at in (1, 2))
    body = render(replace(HEAD, findings=both), BASE, STYLE)
    assert body.count("Suggested patch") == 1
    assert "Suggested patch for <code>rule-1</code>, <code>rule-2</code>" in body


def test_patches_that_are_many_or_long_are_counted() -> None:
    def mended(at: int, lines: int) -> Finding:
        patch = PATCH + "".join(f"+{at}\n" for _ in range(lines))
        return replace(CACHE, fingerprint=f"{at:016x}", fix=Fix(text="Mend it.", patch=patch))

    body = render(replace(HEAD, findings=tuple(mended(at, at) for at in range(5))), BASE, STYLE)
    assert body.count("Suggested patch") == 3
    assert "2 more patches are in the whole report." in body
    body = render(replace(HEAD, findings=(mended(1, 500),)), BASE, STYLE)
    assert "Suggested patch" not in body
    assert "1 more patch is in the whole report." in body


WORTH = [
    pytest.param(HEAD, BASE, True, True, id="worse"),
    pytest.param(BASE, BASE, False, False, id="same"),
    pytest.param(BASE, HEAD, True, False, id="mended"),
    pytest.param(replace(BASE, image=image(size_bytes=150_000_000)), BASE, True, False, id="bigger"),
    pytest.param(HEAD, None, True, True, id="no-base"),
    pytest.param(replace(BASE, findings=()), None, False, False, id="no-base-no-findings"),
    pytest.param(replace(HEAD, findings=()), None, True, False, id="no-base-no-go"),
]


@pytest.mark.parametrize(("head", "base", "changes", "findings"), WORTH)
def test_when_it_is_worth_saying(head: Report, base: Report | None, changes: bool, findings: bool) -> None:
    assert is_worth_saying(head, base, When.CHANGES) is changes
    assert is_worth_saying(head, base, When.FINDINGS) is findings
    assert is_worth_saying(head, base, When.ALWAYS)


def filled(text: str) -> tuple[Report, Report, CommentStyle]:
    """Reports with a text wherever they have one."""
    place = Location(place=Place.FILE, layer=1, path=text, line=2, inside=(text,), status=Status.DELETED,
                     dockerfile=SourceLine(file=text, line=1))  # fmt: skip
    found = finding(
        rule_id=text, message=text, location=place, places=(place,), fix=Fix(text=text, patch=f"{text}\n{text}")
    )
    step = Step(stage=text, ordinal=2, instruction=text, line=1, cached=True, seconds=0.0)
    before = timing(name=text, steps=(step,))
    after = slow(name=text, steps=(replace(step, cached=False),))
    base = replace(
        BASE, findings=(replace(found, fingerprint="1"), replace(found, fingerprint="2")),
        build=build(before), target=Target(kind="build", ref=text), risks=(risk(id=text),),
    )  # fmt: skip
    head = replace(
        HEAD, findings=(replace(found, fingerprint="2"), replace(found, fingerprint="3")), build=build(after),
        target=Target(kind="build", ref=text), reasons=(text,), risks=(risk(id=text, score=2),),
        skipped=(Skipped(where=text, reason=text),), complete=False, tool=Tool(name="imgscan", version=text),
        coverage=replace(COVERAGE, not_read=(NotRead(where=text, bytes=1, reason=text),)),
        image=image(size_bytes=130_000_000, directories=(directory(f"/{text}", (1, 20_000_000, 0)),)),
    )  # fmt: skip
    return head, base, CommentStyle(labels=(text, text))


COVERAGE = Coverage(bytes=1, entries=1)
NASTY = st.one_of(
    st.text(max_size=40),
    st.lists(
        st.sampled_from([
            "@org/team", "a@b.example", "#1", "!2", "$3", "%4", "&5", "~label", "^alert#6", "GH-7", "www.evil.example", "://",
            "https", "|", "`", "```", "~~~", "\n", "\r\n", "\\", "*", "_", "[x](y)", "![x](y)", "<img src=x>", "</details>",
            "<!-- imgscan:v1:default -->", "-->", "/close", "\n/merge", "---", "# h", "> q", "\t", "    ", "1. ", "&#64;", "&lt;",
            "</code>", "</pre>", "\u202e", "\x00", "x", " ",
        ]),
        max_size=12,
    ).map("".join),
)  # fmt: skip


def without_code(structure: list[str]) -> list[str]:
    return [tag for tag in structure if tag not in ("<code>", "</code>")]


@given(NASTY)
@example(HOSTILE)
@example("```\n/close\n")
@example("\\")
def test_hostile_names_stay_text(text: str) -> None:
    """With them the comment has the structure that it has with harmless ones, and nothing in its text is alive."""
    body = render(*filled(f"{text}x"))
    page, harmless = rendered(body), rendered(render(*filled("x")))
    # What stands in backticks is code in prose, and nothing else.
    assert without_code(page.structure) == without_code(harmless.structure)
    assert page.live() == []
    assert page.links() == []
    assert page.comments == [" imgscan:v1:default "]
    assert "\n<!--" not in body
    assert not any(line.startswith("/") for line in body.split("\n"))
    assert len(body.splitlines()) == len(body.split("\n")) - 1


def test_the_structure_says_something() -> None:
    page = rendered(render(*filled("x")))
    assert {"<table>", "<details>", "<pre lang=diff>", "<li>", "<h3>"} <= set(page.structure)
    assert "@org" not in "".join(page.text)
    assert rendered("@org/team www.evil.example #1 [x](y)").live() == ["@o", "#1"]
    assert len(rendered("@org/team www.evil.example #1 [x](y)").links()) == 2


def many_findings(count: int, text: str) -> tuple[Finding, ...]:
    return tuple(
        finding(rule_id=f"secret-{at % 40}", fingerprint=f"{at:016x}", message=text,
                location=Location(place=Place.FILE, layer=1, path=text), places=())
        for at in range(count)
    )  # fmt: skip


@pytest.mark.parametrize("limit", [GITHUB_LIMIT, 20_000, 10_000, 5_000])
def test_too_long(limit: int) -> None:
    found = many_findings(3_000, "<" * 400)
    base = replace(BASE, findings=found[:1_500])
    body = render(replace(HEAD, findings=found), base, replace(STYLE, limit=limit))
    assert len(body) <= limit
    assert body.startswith("<!-- imgscan:v1:app -->\n### 🔴")
    assert re.search(r"Too long for a comment: \d+ parts? (is|are) only at https://forge.example/run/1", body)
    assert body.count("<details>") == body.count("</details>")
    assert limit < 20_000 or "| Image size |" in body


def test_folded_parts_go_before_rows() -> None:
    found = (KNOWN, *many_findings(200, "@" * 400))
    whole = render(replace(HEAD, findings=found), BASE, replace(STYLE, limit=10_000_000))
    kept = [
        render(replace(HEAD, findings=found), BASE, replace(STYLE, limit=limit)) for limit in range(3_000, 70_000, 500)
    ]
    assert "<details>" in whole
    for body in kept:
        if "| Image size |" not in body:
            assert "<details>" not in body


def test_a_short_comment_says_nothing_of_length() -> None:
    assert "Too long" not in render(HEAD, BASE, STYLE)


@pytest.mark.parametrize("name", ["", " app", "a b", "a-->", "a--b", "-a", "a\n", "é", "x" * 101, "<b>"])
def test_names_that_would_not_stay_in_the_marker(name: str) -> None:
    with pytest.raises(InputError):
        marker(name)


@pytest.mark.parametrize("name", ["app", "backend/api", "a.b_c:d-e", "1"])
def test_names(name: str) -> None:
    assert marker(name) == f"<!-- imgscan:v1:{name} -->"


@pytest.mark.parametrize(
    "url", ["javascript:x", "https://x y", 'https://x/"onclick', "https://x/<b>", "//x", "https://a@b/"]
)
def test_addresses_that_are_no_link(url: str) -> None:
    with pytest.raises(InputError):
        check_url(url)


def test_the_link_leads_where_it_should() -> None:
    assert rendered(render(HEAD, BASE, STYLE)).links() == [f"<a href={STYLE.url}>"]
