"""Escaping: nothing that a terminal or Markdown gives a meaning to survives."""

from __future__ import annotations

import html
import re
import unicodedata
from collections.abc import Callable

import pytest
from hypothesis import given
from hypothesis import strategies as st
from markdownmodel import rendered

from imgscan.escape import log_lines, markdown, markdown_code, path_text, plain, shorten


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


@given(st.text())
def test_markdown_is_text_only(text: str) -> None:
    shown = markdown(text)
    assert not re.search(r"[<>|`*_\[\]@~\\]", shown)
    assert html.unescape(shown).replace("\u2060", "") == plain(text)


@pytest.mark.parametrize("escape", [markdown, markdown_code])
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
    assert html.unescape(markdown_code("node_modules/@types/node")) == "<code>node_modules/@types/node</code>"


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
