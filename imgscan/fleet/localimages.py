"""Images on this machine: the engine's, those of archives and OCI layouts, and folders of such -> `Wanted`s."""

from __future__ import annotations

import itertools
import os
from collections import Counter, defaultdict
from collections.abc import Callable, Iterator, Sequence
from contextlib import closing
from datetime import UTC, datetime
from pathlib import Path
from typing import TYPE_CHECKING, Final

from imgscan.enginerecords import short_tag
from imgscan.errors import ImgscanError, InputError
from imgscan.escape import plain
from imgscan.fleet.listing import ALL_PLATFORMS, Found, Listing, reason_of, repository_glob
from imgscan.fleet.tags import Dated, TagTest, only, parse_created, prepare
from imgscan.source import is_layout, local_file, looks_like_a_path
from imgscan.source.archive import list_archive
from imgscan.source.config import member, text
from imgscan.source.platforms import read_platform
from imgscan.source.select import Held

if TYPE_CHECKING:
    from imgscan.engine import Engine

_MAX_ENTRIES: Final = 200_000
_DEEPEST: Final = 40
_ARCHIVE_ENDINGS: Final = (".tar", ".tar.gz", ".tgz", ".tar.zst", ".tar.xz", ".tar.bz2")


def list_engine(pattern: str, listing: Listing) -> Iterator[Found]:
    """The engine's images by tag, those that fit `GLOB[:GLOB]` ("": all); those without one by id where these are
    wanted. Raises InputError for a glob that means nothing, EngineError when no engine answers."""
    head, slash, last = pattern.rpartition("/")
    name, colon, tags = last.partition(":")
    fits = repository_glob(f"{head}{slash}{name}") if head or name else lambda _: True
    rules = listing.options.tags
    test = prepare(only(rules, tags) if colon else rules)
    listing.say("listing the engine's images")
    with closing(listing.world.connect()) as engine:
        known = engine.tags()
        for tag in _chosen(known, fits, test, engine, listing):
            # A name that reads as a path, or is a file's here, is taken for that.
            ref = known[tag] if local_file(tag) is not None or looks_like_a_path(tag) else tag
            yield listing.wanted(ref, plain(tag))
        if listing.options.dangling and not pattern:
            for image_id in _dangling(engine):
                yield listing.wanted(image_id, plain(image_id))


def _chosen(
    known: dict[str, str], fits: Callable[[str], bool], test: TagTest, engine: Engine, listing: Listing
) -> Iterator[str]:
    """The engine's tags that are wanted, by the rules for a registry's."""
    by_name: dict[str, list[str]] = defaultdict(list)
    for full in sorted(known):
        name, _, tag = full.rpartition(":")
        if "/" not in tag and (fits(name) or fits(short_tag(name))):
            by_name[name].append(tag)
    now = datetime.fromtimestamp(listing.world.effects.now(), UTC)
    for name, tags in sorted(by_name.items()):
        found = test.named(tags)
        if test.rules.need_dates:
            found = test.dated({tag: _dated(engine, known[f"{name}:{tag}"]) for tag in found}, now)
        yield from (f"{name}:{tag}" for tag in found)


def _dated(engine: Engine, image_id: str) -> Dated:
    try:
        created = parse_created(text(member(engine.inspect_image(image_id), "Created")))
    except InputError:  # removed in the meantime: to be told when it is to be scanned
        created = None
    return Dated(identity=image_id, created=created)


def _dangling(engine: Engine) -> list[str]:
    """Images without a name that no other one is made from: what rebuilding leaves, or was pulled by its digest."""
    images = engine.images()
    parents = {image.parent for image in images}
    return sorted(image.id for image in images if not image.tags and image.id not in parents)


def list_file(target: str, listing: Listing) -> Iterator[Found]:
    """The images of an archive or a layout; the one that is named behind it, where one is. Raises InputError."""
    found = local_file(target)
    if found is None:
        raise InputError(f"no such file: {plain(target)}")
    path, selector = found
    if selector is not None:
        yield from (listing.wanted(target, plain(target), platform) for platform in _asked(listing) or (None,))
        return
    if not path.is_dir() and not path.is_file():
        # What can be read only once, such as a pipe, is read when it is scanned.
        yield listing.wanted(target, plain(target))
        return
    listing.say(f"looking into {plain(target)}")
    held = list_archive(path)
    if not held:
        raise InputError(
            f"{plain(target)} holds no image",
            cause="it has neither a manifest.json (docker save, skopeo) nor an index.json (OCI) that lists one",
        )
    yield from _of_held(_as_path(target), held, listing)


def list_folder(target: str, listing: Listing) -> Iterator[Found]:
    """The images of all archives and layouts below a folder; links are not followed. What is no image is passed over,
    what cannot be read is told. Raises InputError for a folder that cannot be listed."""
    root = Path(target)
    held = list_archive(root) if is_layout(root) else ()
    if held:
        yield from _of_held(_as_path(target.rstrip("/") or "/"), held, listing)
        return
    count = 0
    walk = _Walk(root)
    for path, problem in walk.paths():
        found = list(_below(path, listing)) if not problem else [listing.not_listed(problem, plain(str(path)))]
        if not found and is_layout(path):
            # It only had files of a layout's names.
            walk.enter(path)
        count += len(found)
        yield from found
    if not count:
        yield listing.not_listed("there is no image archive and no OCI layout in it")


def _below(path: Path, listing: Listing) -> Iterator[Found]:
    """The images of one file or layout of a folder."""
    try:
        if path.is_file() and not _is_archive(path):
            return
        # A name that is not UTF-8 has no place in a report or a database.
        str(path).encode("utf-8")
        listing.say(f"looking into {plain(str(path))}")
        held = list_archive(path)
    except UnicodeEncodeError:
        yield listing.not_listed("its name is not UTF-8: give it another one", plain(str(path)))
        return
    except (ImgscanError, OSError) as error:
        if path.is_dir() or path.name.endswith(_ARCHIVE_ENDINGS):
            reason = reason_of(error) if isinstance(error, ImgscanError) else error.strerror or "it cannot be read"
            yield listing.not_listed(reason, plain(str(path)))
        return
    yield from _of_held(_as_path(str(path)), held, listing)


def _is_archive(path: Path) -> bool:
    from imgscan.layers.codec import sniff
    from imgscan.layers.tarheader import BLOCK_BYTES, is_header

    with path.open("rb") as file:
        head = file.read(BLOCK_BYTES)
    return is_header(head) or sniff(head) is not None


class _Walk:
    """Regular files and layouts below a folder, by name; what could not be listed, with why. Links are passed over."""

    def __init__(self, root: Path) -> None:
        self._root = root
        self._waiting = [(root, 0)]
        self._seen = 0

    def enter(self, folder: Path) -> None:
        """Look into a folder that was given as a layout."""
        self._waiting.append((folder, len(folder.parts) - len(self._root.parts)))

    def paths(self) -> Iterator[tuple[Path, str]]:
        """Each with "", or with what is wrong. Raises InputError if there is no list of the topmost folder."""
        while self._waiting:
            folder, depth = self._waiting.pop()
            try:
                with os.scandir(folder) as listed:
                    entries = sorted(itertools.islice(listed, _MAX_ENTRIES + 1), key=lambda entry: entry.name)
            except OSError as error:
                if folder == self._root:
                    raise InputError(f"{plain(str(folder))} cannot be listed", cause=error.strerror or "") from error
                yield folder, error.strerror or "it cannot be listed"
                continue
            self._seen += len(entries)
            if self._seen > _MAX_ENTRIES:
                yield folder, f"more than {_MAX_ENTRIES:,} files and folders; these and what follows were not looked at"
                return
            if depth > _DEEPEST:
                yield folder, f"more than {_DEEPEST} folders deep"
                continue
            yield from self._entries(folder, depth, entries)

    def _entries(self, folder: Path, depth: int, entries: Sequence[os.DirEntry[str]]) -> Iterator[tuple[Path, str]]:
        below: list[tuple[Path, int]] = []
        for entry in entries:
            path = folder / entry.name
            if entry.is_dir(follow_symlinks=False) and not is_layout(path):
                below.append((path, depth + 1))
            elif entry.is_dir(follow_symlinks=False) or entry.is_file(follow_symlinks=False):
                yield path, ""
        self._waiting.extend(reversed(below))


def _as_path(target: str) -> str:
    """A file's name so that it reads as a path, whatever is put behind it."""
    return target if looks_like_a_path(target) else f"./{target}"


def _asked(listing: Listing) -> tuple[str, ...]:
    platforms = listing.options.platforms
    return () if ALL_PLATFORMS in platforms else platforms


def _of_held(target: str, held: Sequence[Held], listing: Listing) -> Iterator[Found]:
    """The images of an archive: by name, or by id where the name does not say which; one for several platforms as often
    as these are wanted."""
    groups: dict[tuple[str, ...], dict[str, Held]] = defaultdict(dict)
    for one in held:
        groups[one.names].setdefault(one.image_id, one)
    first = Counter(names[0] for names in groups if names)
    for names, images in groups.items():
        if not _is_multi_platform(list(images.values())):
            for one in images.values():
                alone = len(groups) == 1 and len(images) == 1
                named = bool(names) and len(images) == 1 and first[names[0]] == 1
                selector = "" if alone else f":{names[0] if named else one.image_id}"
                yield listing.wanted(f"{target}{selector}", plain(f"{target}{selector}"))
            continue
        selector = f":{names[0]}" if len(groups) > 1 and names else ""
        every = ALL_PLATFORMS in listing.options.platforms
        there = [str(read_platform(one.platform)) for one in images.values()]
        for platform in there if every else listing.options.platforms or (None,):
            yield listing.wanted(f"{target}{selector}", plain(f"{target}{selector}"), platform)


def _is_multi_platform(images: Sequence[Held]) -> bool:
    """Whether several images of one name are one image for several platforms."""
    platforms = {read_platform(one.platform) for one in images}
    return len(images) > 1 and len(platforms) == len(images) and None not in platforms
