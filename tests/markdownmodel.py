"""What becomes of Markdown on a forge: GitHub's own renderer, and on its result a model of what both forges look for in
text outside of code: mentions, references, addresses."""

from __future__ import annotations

import re
from dataclasses import dataclass, field
from html.parser import HTMLParser

import cmarkgfm
from cmarkgfm.cmark import Options

_EXEMPT = frozenset({"code", "pre", "a"})
LIVE = re.compile(
    r"(?<!\w)@\w"  # mentions
    r"|\w@\w"  # mail addresses
    r"|(?<![\w])[#!$%&]\d|(?i:\bgh-\d)|\w#\d|(?<!\w)~[\w\"']|\^alert"  # issues, requests, snippets, labels, alerts
    r"|[a-z]://|(?i:\bwww\.)",  # addresses
)


@dataclass
class Page(HTMLParser):
    """A rendered text. `structure` is every tag with its attributes in order, `prose` the text outside of code."""

    structure: list[str] = field(default_factory=list)
    prose: list[str] = field(default_factory=list)
    text: list[str] = field(default_factory=list)
    comments: list[str] = field(default_factory=list)
    _open: list[str] = field(default_factory=list)

    def __post_init__(self) -> None:
        super().__init__(convert_charrefs=True)

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        self.structure.append(f"<{tag}{''.join(f' {name}={value}' for name, value in attrs)}>")
        if tag in _EXEMPT:
            self._open.append(tag)

    def handle_endtag(self, tag: str) -> None:
        self.structure.append(f"</{tag}>")
        if self._open and tag == self._open[-1]:
            self._open.pop()

    def handle_data(self, data: str) -> None:
        self.text.append(data)
        if not self._open:
            self.prose.append(data)

    def handle_comment(self, data: str) -> None:
        self.comments.append(data)

    def live(self) -> list[str]:
        """What a forge would make a link or a message to somebody of."""
        return [found[0] for text in self.prose for found in LIVE.finditer(text)]

    def links(self) -> list[str]:
        """The links there are."""
        return [tag for tag in self.structure if tag.startswith(("<a ", "<img "))]


def rendered(text: str) -> Page:
    """A text as GitHub renders it."""
    page = Page()
    page.feed(cmarkgfm.github_flavored_markdown_to_html(text, options=Options.CMARK_OPT_UNSAFE))
    page.close()
    return page
