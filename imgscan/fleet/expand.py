"""The images that are to be looked at: SOURCE arguments and options -> `Listed`. `sources` says what each may be.

What a user wrote wrong is an error before anything is asked for; what a registry, an engine or a file does not give is
a part of the answer, so that one broken source does not stop the others.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import replace
from pathlib import Path
from typing import Final

from imgscan.dockerfile.locate import read_regular_file
from imgscan.errors import ImgscanError, InputError
from imgscan.escape import plain, shorten
from imgscan.fleet.catalogue import list_image, list_registry
from imgscan.fleet.imagelist import MAX_BYTES, Entry, read_list, read_toml_list
from imgscan.fleet.inorder import in_order
from imgscan.fleet.listing import (
    ALL_PLATFORMS,
    Found,
    Listed,
    Listing,
    ListOptions,
    Registries,
    World,
    check_options,
    reason_of,
)
from imgscan.fleet.localimages import list_engine, list_file, list_folder
from imgscan.fleet.manifestimages import list_compose, list_kubernetes, list_manifest
from imgscan.fleet.sources import Kind, Source, read_source
from imgscan.fleets import NotListed, Wanted
from imgscan.frozen import frozen
from imgscan.source.reference import SCHEME, parse_reference

_AHEAD: Final = 8
_ONE_IMAGE: Final = frozenset({Kind.IMAGE, Kind.FILE})

__all__ = ["ListOptions", "Listed", "World", "expand"]


@frozen
class _Asked:
    """A source with the options that count for it."""

    source: Source
    listing: Listing


def expand(
    sources: Sequence[str],
    options: ListOptions,
    *,
    say: Callable[[str], None] = lambda _: None,
    world: World | None = None,
) -> Listed:
    """The images of all sources: each once for a platform, in the order of the sources.

    Raises InputError for sources and options that mean nothing, for a list that is broken (with the line) or a file
    that is not there.
    """
    options = check_options(options)
    world = world or World()
    if not sources:
        raise InputError("no source given", next_step="imgscan fleet registry://HOST/, or a file with an image a line")
    if sum(source in ("-", "list:-", "k8s:-") for source in sources) > 1:
        raise InputError("standard input can be read once only")
    registries = Registries(options, world, say)
    try:
        everywhere = Listing(source="", options=options, world=world, registries=registries, say=say)
        asked = [one for source in sources for one in _read(source, everywhere)]
        found = _Collected()
        looked = _single_images(asked, options)
        for one in asked:
            for item in looked[id(one)] if id(one) in looked else _listed(one):
                found.add(item)
        return found.listed()
    finally:
        registries.close()


def _single_images(asked: Sequence[_Asked], options: ListOptions) -> dict[int, tuple[Found, ...]]:
    """Images that are named one by one and have to be asked for their platforms: there may be very many of them."""
    single = [one for one in asked if one.source.kind is Kind.IMAGE and ALL_PLATFORMS in one.listing.options.platforms]
    if not single:
        return {}
    with ThreadPoolExecutor(options.connections, thread_name_prefix="imgscan-list") as pool:
        results = in_order(pool, lambda one: tuple(_listed(one)), single, _AHEAD * options.connections)
        return {id(one): found for one, found in zip(single, results, strict=True)}


def _listed(asked: _Asked) -> Iterator[Found]:
    """What a source gives, and what went wrong with it."""
    try:
        yield from _list(asked)
    except ImgscanError as error:
        yield asked.listing.not_listed(reason_of(error))


def _read(text: str, everywhere: Listing) -> Iterator[_Asked]:
    """A source, or the entries of a list. Raises InputError."""
    source = read_source(text)
    listing = replace(everywhere, source=plain(shorten(text, 300)))
    if source.kind is not Kind.IMAGES:
        yield _checked(source, listing)
        return
    for entry in _entries(source.rest, listing.world):
        yield _of_entry(entry, listing)


def _entries(name: str, world: World) -> tuple[Entry, ...]:
    """The entries of a list. Raises InputError."""
    if name == "-":
        stream = world.stdin()
        if stream.isatty():
            raise InputError("standard input is a terminal", next_step="imgscan fleet - < FILE")
        return read_list(stream.read(MAX_BYTES + 1), "standard input")
    shown = plain(shorten(name, 200))
    try:
        data = read_regular_file(Path(name).resolve(), MAX_BYTES)
    except OSError as error:
        raise InputError(f"{shown} cannot be read", cause=error.strerror or "") from error
    except ValueError as error:
        raise InputError(f"{shown} cannot be read", cause=str(error)) from error
    return read_toml_list(data, shown) if name.endswith(".toml") else read_list(data, shown)


def _of_entry(entry: Entry, listing: Listing) -> _Asked:
    try:
        source = read_source(entry.source)
        options = entry.options_over(listing.options)
        if source.kind is Kind.IMAGES:
            raise InputError("a list holds no other list", next_step="give both to the command")
        if entry.single and source.kind not in _ONE_IMAGE:
            raise InputError(f"a {source.kind} is not one image", next_step="write it as a [[source]]")
        return _checked(source, replace(listing, options=options, source=f"{listing.source}: {entry.source}"))
    except InputError as error:
        if error.what.startswith(entry.where):
            raise
        raise InputError(f"{entry.where}: {error.what}", cause=error.cause, next_step=error.next_step) from error


def _checked(source: Source, listing: Listing) -> _Asked:
    """The source, with names that mean a registry's images written as such. Raises InputError."""
    if source.kind is Kind.IMAGE and (source.rest.startswith(SCHEME) or listing.options.names_from == "registry"):
        source = replace(source, rest=f"{SCHEME}{parse_reference(source.rest)}")
    return _Asked(source=source, listing=listing)


def _list(asked: _Asked) -> Iterator[Found]:
    """What a source gives. Raises ImgscanError where it gives nothing more."""
    source, listing = asked.source, asked.listing
    if source.part is not None:
        return list_registry(source.part, listing)
    if source.kind is Kind.IMAGE:
        return _one(source.rest, listing)
    return _LISTERS[source.kind](source.rest, listing)


def _one(target: str, listing: Listing) -> Iterator[Found]:
    if target.startswith(SCHEME):
        yield from list_image(parse_reference(target), listing)
    else:
        yield listing.wanted(target, plain(target))


_LISTERS: Final[dict[Kind, Callable[[str, Listing], Iterator[Found]]]] = {
    Kind.ENGINE: list_engine,
    Kind.COMPOSE: list_compose,
    Kind.KUBERNETES: list_kubernetes,
    Kind.MANIFEST: list_manifest,
    Kind.FOLDER: list_folder,
    Kind.FILE: list_file,
}


class _Collected:
    """Images, each once, and what is missing."""

    def __init__(self) -> None:
        self._wanted: dict[tuple[str, str | None], Wanted] = {}
        self._not_listed: dict[NotListed, None] = {}

    def add(self, item: Found) -> None:
        if isinstance(item, NotListed):
            self._not_listed[item] = None
            return
        known = self._wanted.setdefault((item.ref, item.platform), item)
        if item.team and not known.team:
            # The source that names the team knows more.
            self._wanted[item.ref, item.platform] = replace(known, team=item.team)

    def listed(self) -> Listed:
        """Everything. Findings are followed by an image's name: where two places have one of a name, the later is
        called by its whole reference."""
        names: set[str] = set()
        wanted: list[Wanted] = []
        for item in self._wanted.values():
            if item.name in names:
                item = replace(item, name=plain(item.ref) + (f" ({item.platform})" if item.platform else ""))
            names.add(item.name)
            wanted.append(item)
        return Listed(wanted=tuple(wanted), not_listed=tuple(self._not_listed))
