"""Which of the images of an archive or layout is meant: candidates whose configuration was read -> one of them.

What is asked for may be a name, an id, a digest or a platform. Where that leaves several, they are listed so that each
of them can be named; where a reader of the other kind would take another one, that is told.
"""

from __future__ import annotations

import hashlib
import posixpath
from collections import Counter
from collections.abc import Callable, Iterable

from imgscan.errors import InputError
from imgscan.escape import plain, shorten
from imgscan.frozen import frozen
from imgscan.model import Skipped
from imgscan.source.manifests import Candidate
from imgscan.source.platforms import Platform, best, own_platform, read_platform
from imgscan.source.records import ImageConfig

_MAX_LISTED = 20
_LEAST_ID = 12


@frozen
class Readable:
    """A candidate whose configuration is there and is an image's."""

    candidate: Candidate
    raw_config: bytes
    config: ImageConfig
    platform: str | None

    @property
    def identity(self) -> tuple[str, ...]:
        """What makes it one image: its configuration and the files of its layers. Several manifests may list it."""
        return (self.candidate.config_name, *(layer.name for layer in self.candidate.layers))

    @property
    def config_id(self) -> str:
        """The SHA-256 of its configuration, in hexadecimal."""
        return hashlib.sha256(self.raw_config).hexdigest()

    @property
    def manifest_id(self) -> str:
        """What its manifest is called by: a digest in hexadecimal, "" where none lists it."""
        return posixpath.basename(self.candidate.manifest or "").partition(".")[0]


@frozen
class Asked:
    """What is asked of an archive: `ref` is what it is called in messages, `target` how a command line names it (""
    as messages do), so that an image's name can follow."""

    ref: str
    target: str = ""
    selector: str | None = None
    platform: Platform | None = None
    diff_ids: tuple[str, ...] = ()

    @property
    def is_precise(self) -> bool:
        """Whether it says which one of several is meant."""
        return bool(self.selector or self.platform or self.diff_ids)

    @property
    def step(self) -> str:
        """What to run where one of several is to be named."""
        target = plain(self.target or self.ref)
        return f"name one of them after the file: {target}:NAME:TAG (or an id, or a platform such as linux/arm64)"


def choose(
    images: list[Readable], others: Callable[[], list[Readable]], asked: Asked
) -> tuple[Readable, tuple[Skipped, ...]]:
    """One of the images, and what is to be told of the choice; one of the others, which only the index lists (further
    platforms), where they alone are meant. Raises InputError."""
    left = _fitting_layers(images, others, asked.diff_ids)
    if asked.selector:
        left = _selected(left, others, asked)
    if asked.diff_ids or len({image.identity for image in left}) == 1:
        return left[0], () if asked.diff_ids else _rivals(left[0], others(), asked.selector)
    # One image for several platforms is no choice for the user to make: the one an engine here would run is taken.
    mine = fitting(own_platform(), left)
    if len({image.candidate.names for image in left}) == 1 and len({image.identity for image in mine}) == 1:
        return mine[0], _rivals(mine[0], others(), asked.selector)
    raise InputError(f"{plain(asked.ref)} holds several images: {listed(left)}", next_step=asked.step)


def unchosen(chosen: Readable, images: list[Readable]) -> tuple[str, ...]:
    """The platforms of further images: of those by the chosen one's name, if it has one."""
    names = set(chosen.candidate.names)
    of_name = [image for image in images if not names or names & {*image.candidate.names} or not image.candidate.names]
    return other_platforms(chosen.platform, (image.platform for image in of_name))


def other_platforms(chosen: str | None, offered: Iterable[str | None]) -> tuple[str, ...]:
    """The platforms that are not the chosen one, each once and in its normal spelling."""
    platforms = dict.fromkeys(map(read_platform, offered))
    return tuple(str(each) for each in platforms if each is not None and each != read_platform(chosen))


def _fitting_layers(
    images: list[Readable], others: Callable[[], list[Readable]], diff_ids: tuple[str, ...]
) -> list[Readable]:
    """Those with just these layers, if there are any."""
    if not diff_ids:
        return images
    same = [image for image in images if tuple(image.config.diff_ids) == diff_ids]
    return same or [image for image in others() if tuple(image.config.diff_ids) == diff_ids] or images


def _selected(images: list[Readable], others: Callable[[], list[Readable]], asked: Asked) -> list[Readable]:
    selector = asked.selector or ""
    known = images
    left = [image for image in known if _matches(image, selector)]
    if not left:
        known = [*known, *others()]
        left = [image for image in known if _matches(image, selector)]
    if not left:
        raise InputError(
            f"{plain(asked.ref)} holds no image {plain(shorten(selector, 200))}",
            cause=f"it holds {listed(known)}",
            next_step=asked.step,
        )
    return left


def _rivals(chosen: Readable, others: list[Readable], selector: str | None) -> tuple[Skipped, ...]:
    """Images that a program takes for the one that is meant which reads the other one of the two lists: for the same
    platform, and not told apart by what was asked for."""
    platform = read_platform(chosen.platform)
    rivals = [
        image
        for image in others
        if image.identity != chosen.identity
        and (not selector or _matches(image, selector))
        and (platform is None or read_platform(image.platform) in (None, platform))
    ]
    if not rivals:
        return ()
    reason = f"manifest.json and index.json list different images; only {_name(chosen)} was read, not {listed(rivals)}"
    return (Skipped(where="index.json", reason=reason),)


def _name(image: Readable) -> str:
    return f"{', '.join(map(plain, image.candidate.names[:1])) or 'the one'} ({image.config_id[:_LEAST_ID]})"


def _matches(image: Readable, selector: str) -> bool:
    name, at, digest = selector.rpartition("@")
    if at:
        return (not name or _is_called(image, name)) and _has_id(image, digest)
    platform = read_platform(selector)
    is_platform = platform is not None and platform == read_platform(image.platform)
    return _has_id(image, selector) or is_platform or _is_called(image, selector)


def _has_id(image: Readable, text: str) -> bool:
    digits = text.rpartition(":")[2].lower() if text.startswith("sha") else text.lower()
    return len(digits) >= _LEAST_ID and (image.config_id.startswith(digits) or image.manifest_id.startswith(digits))


def _is_called(image: Readable, name: str) -> bool:
    return not _forms(name).isdisjoint(form for called in image.candidate.names for form in _forms(called))


def _forms(name: str) -> set[str]:
    """The spellings of one image name: without the default registry, with the default tag."""
    for prefix in ("docker.io/library/", "docker.io/", "localhost/"):
        name = name.removeprefix(prefix)
    has_tag = ":" in name.rpartition("/")[2] or "@" in name
    return {name} if has_tag else {name, f"{name}:latest"}


def for_platform(platform: Platform, images: list[Readable], ref: str) -> list[Readable]:
    """The images for the platform that was asked for. Raises InputError that lists the platforms there are."""
    found = fitting(platform, images)
    if not found:
        there = sorted({image.platform for image in images if image.platform})[:_MAX_LISTED]
        raise InputError(
            f"{plain(ref)} holds no image for {platform}",
            cause=f"it holds {', '.join(plain(name) for name in there)}" if there else "it does not say for what it is",
            next_step=f"--platform {plain(there[0])}" if there else "",
        )
    return found


def fitting(platform: Platform, images: list[Readable]) -> list[Readable]:
    """The images for the one platform that fits best."""
    offers = [(read_platform(image.platform), image) for image in images]
    chosen = best([offer for offer, _ in offers], platform)
    return [image for offer, image in offers if chosen is not None and offer == chosen]


def listed(images: list[Readable]) -> str:
    """The images, each by what tells it from the others: its name, its platform, its id."""
    several = len({image.platform for image in images}) > 1
    called = Counter((image.candidate.names[:3], image.platform) for image in images)
    shown: list[str] = []
    for image in images[:_MAX_LISTED]:
        names = image.candidate.names[:3]
        told = [image.platform] if several and image.platform else []
        if not names or called[(names, image.platform)] > 1:
            told.append((image.manifest_id or image.config_id)[:_LEAST_ID])
        first = ", ".join(names) or told.pop()
        more = f" ({', '.join(plain(part) for part in told)})" if told else ""
        shown.append(plain(shorten(first, 200)) + more)
    rest = len(images) - len(shown)
    return "; ".join(shown) + (f"; and {rest} more" if rest else "")
