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
# The forges look for these in the rendered text, whatever it was escaped with: mentions (@org/team, a@b.example),
# references (#1, !1, $1, %1, %"name", ~label, &1, ^alert, GH-1, [vulnerability:1]), marks of changes ({+ +}, [- -]) and
# web addresses. A word joiner, which nobody sees, ends what they look for. In code they look for nothing.
_ACTIVE: Final = lazy_re(
    r"(?<=[@~%])(?=[\w\"'(:])|(?<=[#!$&])(?=\d)|(?<=\^)(?=alert)|(?<=[\[{])(?=[+-])|(?<=\[)(?=\w+:)|(?<=\*)(?=iteration:)"
    r"|(?=://)|(?<=www)(?=\.)|(?<=g[hl]-)(?=\d)",
    re.IGNORECASE,
)
# Characters with a meaning in Markdown, which an inline element of HTML does not take from them.
_MARKDOWN_SPECIAL: Final = lazy_re(r"([\\`*_{}\[\]()#+\-!|~@:$^=])")
# In an element of HTML an address is looked for in code too; a path with an @ stays as it is there.
_ACTIVE_IN_CODE: Final = lazy_re(r"(?<=[\w.+-]@)(?=\w)|(?=://)|(?<=www)(?=\.)", re.IGNORECASE)
# What inline Markdown gives a meaning to anywhere. `_` has none within a word, `\` none before a letter; `&` begins an
# entity, `<` a tag; `$` begins a formula, which a backslash does not prevent.
_INLINE: Final = lazy_re(
    r"\\(?=[^\w\s]|_|\s*\Z)|[*`\[~|]|\](?=[(\[:])|(?<![A-Za-z0-9])_|_(?![A-Za-z0-9])|[$<]|&(?=[#A-Za-z])"
)
# What begins a block where a line or an item begins with it.
_BLOCK: Final = lazy_re(r"\A(?:(?=>|[-+](?:\s|\Z)|[-=][-=:|\\\s]*\Z|#{1,6}(?:\s|\Z)|:-)|\d+(?=[.)](?:\s|\Z)))")
# What ends a heading where a heading ends with it.
_HEADING_END: Final = lazy_re(r"(?<=\s)(?=#+\s*\Z)")
# Code in our own messages. A pipe ends a cell of a table in code too, and a backslash before one cannot be told from
# the one that keeps it.
_CODE: Final = lazy_re(r"(?<![`\w])`(?=[^\s`])([^`\\|]*)(?<=[^\s`])`(?![`\w])")
# A wrapped line of a report may begin with what some file is called.
_LOG_COMMAND: Final = lazy_re(r"^[^\S\n]*(?=::)", re.MULTILINE)
_BEYOND_ASCII: Final = lazy_re(r"[^\x00-\x7e]")
_WORD_JOINER: Final = "\u2060"


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


def json_text(text: str) -> str:
    """JSON that may be shown in a terminal: the same values, control and invisible characters by their numbers."""
    return _BEYOND_ASCII.sub(_by_number, text)


def _by_number(found: re.Match[str]) -> str:
    ch = found[0]
    if unicodedata.category(ch) not in _UNSAFE_CATEGORIES:
        return ch
    units = ch.encode("utf-16-be", "surrogatepass")
    return "".join(f"\\u{units[at : at + 2].hex()}" for at in range(0, len(units), 2))


def markdown(text: str) -> str:
    """Text for Markdown prose or a table cell: nothing in it is markup, a mention, a link or a cell border, but what
    stands in single backticks is code, whatever it is. Only what would have a meaning at its place is escaped."""
    shown = plain(text)
    parts: list[str] = []
    at = 0
    for found in _CODE.finditer(shown):
        parts += (_prose(shown[at : found.start()], first=at == 0), found.group())
        at = found.end()
    parts.append(_prose(shown[at:], first=at == 0))
    return _kept_blanks(_HEADING_END.sub(r"\\", "".join(parts)))


def markdown_code(text: str) -> str:
    """Text as inline code that is safe in a table cell too: a code span, or an HTML element for what a span cannot
    hold: backticks, which cannot be escaped, pipes and backslashes, which tables read first, and blanks at its ends."""
    shown = plain(text)
    if shown and shown == shown.strip() and not set("`|\\") & set(shown):
        return f"`{shown}`"
    return f"<code>{_entities(_ACTIVE_IN_CODE.sub(_WORD_JOINER, shown))}</code>"


def markdown_html(text: str) -> str:
    """Text inside of a block of HTML in Markdown, such as a <summary>, where backslashes and backticks are themselves,
    and which an empty line ends."""
    return _html(_ACTIVE.sub(_WORD_JOINER, plain(text)))


def markdown_html_code(text: str) -> str:
    """Text as code inside of a block of HTML."""
    return f"<code>{_html(_ACTIVE_IN_CODE.sub(_WORD_JOINER, plain(text)))}</code>"


def _prose(text: str, *, first: bool) -> str:
    """Text between code spans. `first`: a line may begin with it."""
    escaped = _INLINE.sub(_escaped, _ACTIVE.sub(_WORD_JOINER, text))
    if first:
        escaped = _BLOCK.sub(r"\g<0>\\", escaped)
    return escaped.replace(_WORD_JOINER, f"&#{ord(_WORD_JOINER)};")


def _escaped(found: re.Match[str]) -> str:
    return {"<": "&lt;", "&": "&amp;", "$": "&#36;"}.get(found.group(), f"\\{found.group()}")


def _kept_blanks(text: str) -> str:
    """Blanks at the ends, which would make a block of code or a line break, as entities."""
    body = text.strip(" ")
    if not body:
        return "&#32;" * len(text)
    head = len(text) - len(text.lstrip(" "))
    return "&#32;" * head + body + "&#32;" * (len(text) - head - len(body))


def _html(text: str) -> str:
    """Text of an element of HTML; a formula begins with $ there too."""
    import html  # takes as long to import as all else here, and few reports are Markdown

    escaped = html.escape(text, quote=False).replace("$", "&#36;")
    return escaped.replace(_WORD_JOINER, f"&#{ord(_WORD_JOINER)};")


def _entities(text: str) -> str:
    """Text of an inline element of HTML, in which Markdown goes on."""
    import html

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
