"""Escaping: nothing that a terminal or Markdown gives a meaning to survives."""

from __future__ import annotations

import html
import json
import unicodedata
from collections.abc import Callable

import pytest
from hypothesis import example, given
from hypothesis import strategies as st
from markdownmodel import rendered

from imgscan.escape import (
    json_text,
    log_lines,
    markdown,
    markdown_code,
    markdown_html,
    markdown_html_code,
    path_text,
    plain,
    shorten,
)


@pytest.mark.parametrize(
    ("text", "shown"),
    [
        pytest.param("plain text.py", "plain text.py", id="plain"),
        pytest.param("größe-日本", "größe-日本", id="unicode-letters"),
        pytest.param("a\nb\tc", "a\\nb\\tc", id="line-end-and-tab"),
        pytest.param("\x1b[2J", "\\x1b[2J", id="ansi"),
        pytest.param("\x9b31m", "\\x9b31m", id="c1-csi"),
        pytest.param("a\u202eb", "a\\u202eb", id="bidi-override"),
        pytest.param("a\u200bb", "a\\u200bb", id="zero-width"),
        pytest.param("\U000e0041", "\\U000e0041", id="tag-character"),
        pytest.param("\ud800", "\\ud800", id="lone-surrogate"),
        pytest.param("a\u2028b", "a\\u2028b", id="line-separator"),
    ],
)
def test_plain(text: str, shown: str) -> None:
    assert plain(text) == shown


@given(st.text())
def test_plain_is_one_harmless_line(text: str) -> None:
    shown = plain(text)
    assert len(shown.splitlines()) <= 1
    assert not any(unicodedata.category(ch) in {"Cc", "Cf", "Cs", "Zl", "Zp"} for ch in shown)
    shown.encode()


CONTEXTS = {
    "line": "{}",
    "sentence": "see {} there",
    "item": "- {}",
    "numbered": "1. {}\n2. x",
    "below-a-line": "1. x  \n   {} (x)",
    "heading": "### {}",
    "quote": "> {}",
    "cell": "| a | b |\n|---|---|\n| {} | {} |\n| x | y |",
}
SUMMARY = "<details><summary>{}</summary>\n\nx\n\n</details>"
NASTY = st.one_of(
    st.text(min_size=1, max_size=40),
    st.lists(
        st.sampled_from([
            *"`|\\*_~[]()<>&#-+=!$%^{}:;@\"'./ \t\nx1", "``", "```", "**", "__", "~~", "\\|", "`|`", "`\\`", "`a b`", "1. ", "1) ",
            "- ", "# ", "> ", "---", "===", ":--", "|-|", "    ", "&lt;", "&#64;", "<b>", "</code>", "<!--", "-->", "[x](y)", "![x](y)",
            "[^1]", "[ ] ", "<http://x>", "@org", "a@b.example", "a#1", "GH-1", "www.evil.example", "https://", "{+x+}",
            "mailto:a@b.c", "a_b", "\u2060", "\u00a0", "\u202e", "é",
        ]),
        min_size=1, max_size=10,
    ).map("".join),
)  # fmt: skip


def without_code(structure: list[str]) -> list[str]:
    return [tag for tag in structure if tag not in ("<code>", "</code>")]


def is_text_only(template: str, escaped: str, text: str, *, code: bool | None) -> None:
    """The page is as with a word in place of the text, of which every character is shown; `code`: all of it is code, or
    what stands in backticks (None)."""
    count = template.count("{}")
    page, plainly = (rendered(template.format(*[each] * count)) for each in (escaped, "`w0rd`" if code else "w0rd"))
    if code is None:
        assert without_code(page.structure) == plainly.structure
    else:
        assert page.structure == plainly.structure
    assert page.live() + page.links() + page.comments == []
    drop = {ord("`"): None} if code is None else {}
    shown = "".join(plainly.text).replace("w0rd", plain(text))
    assert "".join(page.text).replace("\u2060", "").translate(drop) == shown.translate(drop)


@pytest.mark.parametrize("template", CONTEXTS.values(), ids=CONTEXTS)
@given(NASTY)
@example("`")
@example("a`b` `c|d`\\")
@example("|\\|")
@example("#")
@example("0 #")
@example("\\ ")
def test_markdown_is_text_only(template: str, text: str) -> None:
    is_text_only(template, markdown(text), text, code=None)


@pytest.mark.parametrize("template", CONTEXTS.values(), ids=CONTEXTS)
@given(NASTY)
@example("a`b")
@example("\\|")
@example(" x ")
def test_code_is_code_only(template: str, text: str) -> None:
    is_text_only(template, markdown_code(text), text, code=True)


@pytest.mark.parametrize("escape", [markdown_html, markdown_html_code])
@given(NASTY)
def test_a_summary_is_text_only(escape: Callable[[str], str], text: str) -> None:
    page = rendered(SUMMARY.format(escape(text)))
    assert without_code(page.structure) == rendered(SUMMARY.format("word")).structure
    assert page.live() + page.links() + page.comments == []
    assert plain(text) in "".join(page.text).replace("\u2060", "")


READABLE = [
    pytest.param("line 6 (COPY . .) takes 3.0 MB: x-y.", "line 6 (COPY . .) takes 3.0 MB: x-y.", id="a-sentence"),
    pytest.param("layer 5 /app/a_b.env:2 + C#!", "layer 5 /app/a_b.env:2 + C#!", id="a-path"),
    pytest.param("`# syntax` needs `RUN --mount`", "`# syntax` needs `RUN --mount`", id="code-of-our-own"),
    pytest.param("add **/.git", r"add \*\*/.git", id="stars"),
    pytest.param("- x", r"\- x", id="like-an-item"),
    pytest.param("--budget", "--budget", id="an-option"),
    pytest.param("---", r"\---", id="a-rule"),
    pytest.param("12. x", r"12\. x", id="like-a-numbered-item"),
    pytest.param("3.0 MB", "3.0 MB", id="a-number"),
    pytest.param("a|b", r"a\|b", id="pipe"),
    pytest.param("R&D <5 &amp;", "R&amp;D &lt;5 &amp;amp;", id="html"),
    pytest.param("a ` b", r"a \` b", id="lone-backtick"),
    pytest.param("`a|b`", r"\`a\|b\`", id="code-with-a-pipe"),
]


@pytest.mark.parametrize(("text", "shown"), READABLE)
def test_only_what_has_a_meaning_is_escaped(text: str, shown: str) -> None:
    assert markdown(text) == shown


@pytest.mark.parametrize("escape", [markdown, markdown_code, markdown_html, markdown_html_code])
@pytest.mark.parametrize(
    "text",
    [
        "@org/team",
        "a@b.example",
        "see www.evil.example",
        "https://evil.example",
        "#1",
        "a#1",
        "!1",
        "~bug",
        "GH-1",
        "HTTPS://x",
    ],
)
def test_nothing_in_markdown_is_alive(text: str, escape: Callable[[str], str]) -> None:
    page = rendered(f"see {escape(text)}")
    assert page.live() + page.links() == []
    assert "".join(page.text).replace("\u2060", "") == f"see {text}\n"


def test_a_path_in_code_can_be_copied() -> None:
    assert markdown_code("node_modules/@types/node") == "`node_modules/@types/node`"
    assert html.unescape(markdown_html_code("node_modules/@types/node")) == "<code>node_modules/@types/node</code>"


@given(st.binary())
def test_path_text_is_printable_text(path: bytes) -> None:
    path_text(path).encode()


@given(st.text(), st.integers(min_value=1, max_value=50))
def test_shorten_keeps_the_width(text: str, width: int) -> None:
    assert len(shorten(text, width)) <= width
    assert shorten(text, width) == text or "…" in shorten(text, width)


LOG_LINES = [
    pytest.param("::error::x", "|::error::x", id="at-the-beginning"),
    pytest.param("a\n   ::stop-commands::x\n", "a\n   |::stop-commands::x\n", id="behind-blanks"),
    pytest.param("\t\u00a0\u2003::x", "\t\u00a0\u2003|::x", id="behind-other-blanks"),
    pytest.param("a ::x b::c", "a ::x b::c", id="in-the-middle"),
    pytest.param("name ##[add-mask]x", "name ##|[add-mask]x", id="older"),
    pytest.param("\n\n::x", "\n\n|::x", id="after-empty-lines"),
]


@pytest.mark.parametrize(("text", "safe"), LOG_LINES)
def test_no_line_of_a_log_is_a_command(text: str, safe: str) -> None:
    assert log_lines(text) == safe


@given(st.lists(st.sampled_from(["::error::x", " ", "\n", "\t", "##[", "a", "::", "\u2003"]), max_size=12))
def test_whatever_a_log_is_made_of(parts: list[str]) -> None:
    for line in log_lines("".join(parts)).split("\n"):
        assert not line.lstrip().startswith("::")
        assert "##[" not in line


@given(st.text())
def test_json_keeps_its_values_and_shows_nothing_invisible(text: str) -> None:
    shown = json_text(json.dumps([text], ensure_ascii=False))
    assert json.loads(shown) == [text]
    assert all(unicodedata.category(ch) not in {"Cc", "Cf", "Zl", "Zp", "Cs", "Co"} for ch in shown)
