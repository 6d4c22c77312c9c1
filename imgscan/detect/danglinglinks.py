"""Links of node_modules that lead nowhere in the finished image: `tech-dangling-links`.

In: the links that were noted while layers were listed, the stacked layers, what the project's manifests ask for. Out:
one finding for each layer that brings some. Only links to packages count, not those to programs (`.bin`) and not those
inside of pnpm's store.
"""

from __future__ import annotations

import posixpath
from collections.abc import Callable, Iterator, Sequence
from typing import Final

from imgscan.detect.layerfacts import LayerFacts, absolute
from imgscan.escape import path_text, plain
from imgscan.layers.blocks import ListedEntry
from imgscan.layers.filesystem import Stacked
from imgscan.model import EntryKind, Evidence, Finding, Fix, LayerReport, Location, Place, Severity, Status
from imgscan.rulebook import make_finding

_NAMED: Final = 6

Needed = Callable[[str], bool | None]
"""Whether a package is asked for at run time; None if nobody knows."""


def detect(
    facts: Sequence[LayerFacts], stacked: Stacked, layers: Sequence[LayerReport], needed: Needed = lambda name: None
) -> Iterator[Finding]:
    """Findings on the layers that the Dockerfile added."""
    own = {layer.index: layer for layer in layers if not layer.from_base}
    visible = [
        (layer, link)
        for layer, one in enumerate(facts)
        for link in one.links
        if layer in own and not stacked.is_hidden(layer, link)
    ]
    dangling: dict[int, list[ListedEntry]] = {}
    for layer, link in _leading_nowhere(visible, stacked):
        dangling.setdefault(layer, []).append(link)
    for layer in sorted(dangling):
        yield _finding(own[layer], sorted(dangling[layer], key=lambda link: link.path), needed)


def _leading_nowhere(links: Sequence[tuple[int, ListedEntry]], stacked: Stacked) -> Iterator[tuple[int, ListedEntry]]:
    targets = {link.path: _target(link) for _, link in links}
    if not targets:
        return
    wanted = frozenset(targets.values())
    above = frozenset(folder for path in wanted for folder in _folders(path))
    there: set[bytes] = set()
    linked: set[bytes] = set()
    for layer, listing in enumerate(stacked.listings):
        for entry in listing.items:
            path = entry.path
            # A folder need not be listed for itself.
            folder = posixpath.dirname(path)
            if not (path in wanted or folder in wanted or path in above) or stacked.is_hidden(layer, entry):
                continue
            there.update({path, folder} & wanted)
            if entry.kind is EntryKind.SYMLINK and path in above:
                linked.add(path)
    for layer, link in links:
        target = targets[link.path]
        # By way of another link it may be anywhere.
        if target not in there and linked.isdisjoint(_folders(target)):
            yield layer, link


def _target(link: ListedEntry) -> bytes:
    """Where a link leads to, as a path of the image without the leading slash."""
    raw = link.target or b""
    whole = raw if raw.startswith(b"/") else posixpath.join(b"/" + posixpath.dirname(link.path), raw)
    return posixpath.normpath(whole).lstrip(b"/")


def _folders(path: bytes) -> Iterator[bytes]:
    while path := posixpath.dirname(path):
        yield path


def _finding(layer: LayerReport, links: list[ListedEntry], needed: Needed) -> Finding:
    names = {link.path: path_text(link.path.rpartition(b"/node_modules/")[2]) for link in links}
    asked = {link.path: needed(names[link.path]) for link in links}
    links = sorted(links, key=lambda link: (not asked[link.path], link.path))
    first = links[0]
    shown = [f"{absolute(link.path)} -> {path_text(link.target or b'')}" for link in links[:_NAMED]]
    more = f" and {len(links) - _NAMED} more" if len(links) > _NAMED else ""
    fatal = asked[first.path]
    why = "the service dies with ERR_MODULE_NOT_FOUND as soon as it asks for it"
    grade = None if fatal else Severity.MEDIUM if fatal is None else Severity.LOW
    return make_finding(
        "tech-dangling-links",
        message=f"{plain(', '.join(shown))}{more} lead{'s' if len(links) == 1 else ''} nowhere: {why}.",
        location=Location(
            place=Place.FILE,
            layer=layer.index,
            path=absolute(first.path),
            dockerfile=layer.dockerfile,
            status=Status.VISIBLE,
        ),
        evidence=Evidence.OBSERVED,
        identity=tuple(sorted(absolute(link.path) for link in links))[:_NAMED],
        severity=grade,
        status=Status.VISIBLE,
        fix=_fix(links),
    )


def _fix(links: Sequence[ListedEntry]) -> Fix:
    """In the image's own paths; `pnpm deploy` is for who uses pnpm, which its store tells."""
    targets = list(dict.fromkeys(absolute(_target(link)) for link in links))
    folder = absolute(links[0].path).partition("/node_modules/")[0] or "/"
    named = plain(", ".join(targets[:_NAMED])) + (f" and {len(targets) - _NAMED} more" if len(targets) > _NAMED else "")
    has_store = any(b".pnpm/" in (link.target or b"") for link in links)
    other = f", or copy a tree without links to the workspace (`pnpm deploy --prod {folder}`)" if has_store else ""
    return Fix(
        text=f"Copy what they lead to as well: {named}{other}. Let the build fail on a link that leads nowhere: "
        f'`test -z "$(find {plain(folder)} -xtype l -print)"`.'
    )
