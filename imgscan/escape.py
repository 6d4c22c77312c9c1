"""Escaping at the sink: every name inside an image or a repository may be hostile.

One function per sink. Reporters interpolate no text that has not been through one of them.
"""

from __future__ import annotations

import re
import unicodedata
from typing import Final

from imgscan.lazyre import lazy_re

# Controls that move the cursor, hide or reorder text: C0, DEL, C1, and Unicode's format characters (bidi overrides,
# zero-width, tags) and line separators, which `unicodedata` files under Cc, Cf, Zl, Zp; Cs are lone surrogates.
_UNSAFE_CATEGORIES: Final = frozenset({"Cc", "Cf", "Zl", "Zp", "Cs", "Co"})
# Characters with a meaning in GitHub's and GitLab's Markdown, `@` and `#` because they notify people and link issues.
_MARKDOWN_SPECIAL: Final = lazy_re(r"([\\`*_{}\[\]()#+\-!|~@:$^=])")
# The forges look for these in the rendered text, where an entity is the character it stands for: mentions (@org/team,
# a@b.example), references (#1, !1, $1, %1, ~label, &1, ^alert, GH-1) and web addresses. A word joiner, which nobody
# sees, ends what they look for. In code they look for no mentions and references, so a path stays as it is there.
_ACTIVE: Final = lazy_re(r"(?<=[@#!$%~&^])(?=[\w\"'(:])|(?=://)|(?<=www)(?=\.)|(?<=gh-)(?=\d)", re.IGNORECASE)
_ACTIVE_IN_CODE: Final = lazy_re(r"(?<=[\w.+-]@)(?=\w)|(?=://)|(?<=www)(?=\.)", re.IGNORECASE)
# A wrapped line of a report may begin with what some file is called.
_LOG_COMMAND: Final = lazy_re(r"^[^\S\n]*(?=::)", re.MULTILINE)
_WORD_JOINER: Final = "\u2060"
# What begins like an item of a numbered list is one where a line or an item begins with it.
_NUMBERED: Final = lazy_re(r"\A(\s*\d+)\.(?=\s|\Z)")


def path_text(path: bytes) -> str:
    """A path of a layer as text for reports: UTF-8, bytes that are not as `\\xNN`."""
    return path.decode("utf-8", "backslashreplace")


def plain(text: str) -> str:
    """Text for a terminal or a log: control and invisible characters become visible escapes, on one line."""
    if text.isascii() and text.isprintable():
        return text
    return "".join(_visible(ch) if unicodedata.category(ch) in _UNSAFE_CATEGORIES else ch for ch in text)


def _visible(ch: str) -> str:
    code = ord(ch)
    if code <= 0xFF:
        return {"\n": "\\n", "\t": "\\t", "\r": "\\r"}.get(ch, f"\\x{code:02x}")
    return f"\\u{code:04x}" if code <= 0xFFFF else f"\\U{code:08x}"


def markdown(text: str) -> str:
    """Text for Markdown prose or a table cell: nothing in it is markup, a mention, a link or a cell border."""
    escaped = _entities(_ACTIVE.sub(_WORD_JOINER, plain(text)))
    return _NUMBERED.sub(r"\1&#46;", escaped)


def markdown_code(text: str) -> str:
    """Text as inline code that is safe in a table cell too: an HTML code element, since backticks cannot be escaped."""
    return f"<code>{_entities(_ACTIVE_IN_CODE.sub(_WORD_JOINER, plain(text)))}</code>"


def _entities(text: str) -> str:
    import html  # takes as long to import as all else here, and few reports are Markdown

    escaped = _MARKDOWN_SPECIAL.sub(lambda m: f"&#{ord(m.group(1))};", html.escape(text, quote=False))
    return escaped.replace(_WORD_JOINER, f"&#{ord(_WORD_JOINER)};")


def markdown_block(text: str, language: str = "") -> str:
    """Text of several lines as a code block whose fence nothing in it can end; tabs and line ends stay."""
    longest = max((len(run) for run in re.findall("`+", text)), default=0)
    fence = "`" * max(3, longest + 1)
    lines = ("\t".join(map(plain, line.split("\t"))) for line in text.rstrip("\n").split("\n"))
    return "\n".join((f"{fence}{language}", *lines, fence))


def workflow_data(text: str) -> str:
    """Text as the data of a workflow command of GitHub Actions: `%` and line ends as the runner decodes them."""
    return text.replace("%", "%25").replace("\r", "%0D").replace("\n", "%0A")


def workflow_property(text: str) -> str:
    """Text as a property of a workflow command, where `:` and `,` end a value too."""
    return workflow_data(plain(text)).replace(":", "%3A").replace(",", "%2C")


def log_lines(text: str) -> str:
    """Lines for a job's log: none is a workflow command of GitHub's runner, which passes over blanks before `::` and
    finds the older `##[` anywhere."""
    return _LOG_COMMAND.sub(r"\g<0>|", text).replace("##[", "##|[")


def shorten(text: str, width: int) -> str:
    """At most `width` characters, the middle replaced by an ellipsis."""
    if len(text) <= width:
        return text
    head = (width - 1) // 2
    return f"{text[:head]}…{text[len(text) - (width - 1 - head) :]}"
