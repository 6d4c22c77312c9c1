"""Lists that a registry gives in pages: the Link header of one page -> the query of the next (RFC 8288; distribution
spec, "Listing Tags"). Pure.

Only the query of a link is taken: where it is asked for is known, and a proxy before the registry may have given it
another scheme or path. A link to another host is refused.
"""

from __future__ import annotations

import re
from collections.abc import Iterable
from typing import Final
from urllib.parse import urljoin, urlsplit

from imgscan.errors import EngineError
from imgscan.lazyre import lazy_re
from imgscan.source.registryhttp import host_of

_PAGE: Final = 1_000
"""How many names are asked for at once: the most that the reference registry gives."""
_LONGEST: Final = 8_192
_LINK: Final = lazy_re(r"<([^<>]*)>((?:\s*;\s*[\w!#$&+.^`|~*-]+\s*=\s*(?:\"[^\"]*\"|[^\s\",;]+))*)\s*(?:,|$)", re.ASCII)
_RELATION: Final = lazy_re(r";\s*rel\s*=\s*(?:\"([^\"]*)\"|([^\s\",;]+))", re.ASCII | re.IGNORECASE)


def first_query() -> str:
    """What to ask for the first page with."""
    return f"n={_PAGE}"


def next_query(headers: Iterable[str], url: str) -> str:
    """The query of the link to the next page, "" where there is none. Raises EngineError for a link that leads away
    from the host of `url`, or nowhere."""
    target = next((target for header in headers for target in _next_targets(header)), None)
    if target is None:
        return ""
    host = host_of(url)
    try:
        parts = urlsplit(urljoin(url, target)) if len(target) <= _LONGEST else urlsplit("")
        usable = parts.scheme in ("http", "https") and bool(parts.query) and "@" not in parts.netloc
        same = parts.hostname == urlsplit(url).hostname
    except ValueError:
        usable = same = False
        parts = urlsplit("")
    if usable and not same:
        raise EngineError(
            f"{host} has its list continued by another host",
            cause=f"the next page is said to be at {host_of(parts.geturl())}",
            next_step="tell the registry's administrator; nothing was asked of that host",
        )
    if not usable or not parts.query.isascii() or not parts.query.isprintable() or " " in parts.query:
        raise EngineError(f"{host} gives a next page that is no web address")
    return parts.query


def _next_targets(header: str) -> Iterable[str]:
    if len(header) > 2 * _LONGEST:
        return
    for found in _LINK.finditer(header):
        relation = _RELATION.search(found[2])
        if relation is not None and "next" in (relation[1] or relation[2]).lower().split():
            yield found[1]
