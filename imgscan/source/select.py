"""Which image of an archive is meant, and which files are its layers: candidates -> `Image`.

manifest.json wins over index.json where both are there: engines write it for the image that was asked for, while the
index may list platforms without bytes, no layers, or nothing at all (moby#47065, moby#49473).
"""

from __future__ import annotations

import hashlib
import posixpath
from collections.abc import Callable
from typing import Final

from imgscan.errors import InputError
from imgscan.escape import plain, shorten
from imgscan.frozen import frozen
from imgscan.lazyre import lazy_re
from imgscan.model import Digest, Skipped
from imgscan.source.config import Json, further_texts, has_root_file_system, parse_config, parse_json, platform_of
from imgscan.source.manifests import (
    Candidate,
    Documents,
    LayerSource,
    from_directory,
    from_index,
    from_manifest_json,
    merge,
)
from imgscan.source.platforms import Platform, best, own_platform, read_platform
from imgscan.source.records import Image, ImageConfig, Layer

_SHA256: Final = lazy_re(r"[0-9a-f]{64}")
_MAX_LISTED: Final = 20
_NAMED_BY: Final = "NAME:TAG (or an id, or a platform such as linux/arm64)"
_MAX_LAYERS: Final = 1000
"""Engines take 127 at most (moby's layer store), and what has many layers is laid over itself as many times."""
_MAX_READ_BYTES: Final = 256 << 20
"""What is read in search of the image, one file as often as it is named."""


@frozen
class Selection:
    """The chosen image, its further documents by name, and what of it could not be read."""

    image: Image
    documents: tuple[tuple[str, bytes], ...]
    skipped: tuple[Skipped, ...]


@frozen
class Held:
    """An image of an archive or layout: what it is called there, the SHA-256 of its configuration in hexadecimal, and
    the platform it says it is for."""

    names: tuple[str, ...]
    image_id: str
    platform: str | None


class _Bounded:
    """Documents, of which no more than so much is read: an index can name one large file ten thousand times."""

    def __init__(self, documents: Documents, ref: str) -> None:
        self._documents = documents
        self._ref = ref
        self._left = _MAX_READ_BYTES
        self.resolve = documents.resolve

    def read(self, name: str) -> bytes | None:
        data = self._documents.read(name)
        self._left -= len(data or b"")
        if self._left < 0:
            raise InputError(
                f"{plain(self._ref)} has more than {_MAX_READ_BYTES:,} bytes of manifests and configurations",
                cause="no image needs as many: the archive is damaged or meant to do harm",
            )
        return data


@frozen
class _Readable:
    """A candidate whose configuration is there and is an image's."""

    candidate: Candidate
    raw_config: bytes
    config: ImageConfig
    platform: str | None


def select_image(
    documents: Documents,
    *,
    ref: str,
    selector: str | None = None,
    platform: Platform | None = None,
    diff_ids: tuple[str, ...] = (),
) -> Selection:
    """The image asked for: by `diff_ids`, by `selector` (a name, tag, id or platform), by `platform`, or the only one.

    Raises InputError when there is none, more than one, or a part of it is missing.
    """
    documents = _Bounded(documents, ref)
    candidates, others, notes = _candidates(documents)
    if not candidates:
        raise InputError(
            f"{plain(ref)} holds no image",
            cause="it has neither a manifest.json (docker save, skopeo) nor an index.json (OCI) that lists one",
            next_step="write it with docker save -o FILE IMAGE",
        )
    readable = _readable(candidates, documents, ref)
    if platform is not None:
        readable, others = _for(platform, [*readable, *_readable(others, documents)], ref), []
    chosen = _choose(readable, lambda: _readable(others, documents), ref, selector, diff_ids)
    return _selection(chosen, documents, ref, notes)


def held_images(documents: Documents, *, ref: str) -> tuple[Held, ...]:
    """Every image that there is; none where nothing lists one. Raises InputError when the one that is listed has no
    configuration."""
    documents = _Bounded(documents, ref)
    candidates, others, _ = _candidates(documents)
    readable = [*_readable(candidates, documents, ref), *_readable(others, documents)] if candidates else []
    return tuple(
        Held(
            names=image.candidate.names,
            image_id=hashlib.sha256(image.raw_config).hexdigest(),
            platform=image.platform,
        )
        for image in readable
    )


def _candidates(documents: Documents) -> tuple[list[Candidate], list[Candidate], list[Skipped]]:
    """The images that are meant, others that only an index lists, and what it lists but has not."""
    saved = from_manifest_json(documents)
    indexed, notes = from_index(documents)
    if not saved and not indexed:
        indexed, notes = from_directory(documents)
    if not any(candidate.layers for candidate in saved) and indexed:
        return indexed, [], [] if saved else notes
    listed = {candidate.config_name for candidate in saved}
    others = [candidate for candidate in indexed if candidate.config_name not in listed]
    return [merge(candidate, indexed) for candidate in saved], others, [] if saved else notes


def _readable(candidates: list[Candidate], documents: Documents, ref: str | None = None) -> list[_Readable]:
    """The candidates that are images, each configuration once. Raises InputError if none is, where `ref` is given."""
    found: dict[str, _Readable] = {}
    missing = ""
    broken: InputError | None = None
    for candidate in candidates:
        raw = documents.read(candidate.config_name) if candidate.config_name else None
        if raw is None:
            missing = missing or candidate.config_name or "no name"
            continue
        try:
            document: Json = parse_json(raw, f"the configuration {plain(shorten(candidate.config_name, 100))}")
        except InputError as error:
            broken = error
            continue
        if has_root_file_system(document):
            found.setdefault(
                f"{candidate.config_name} {candidate.names}",
                _Readable(
                    candidate=candidate,
                    raw_config=raw,
                    config=parse_config(document),
                    platform=platform_of(document) or candidate.platform,
                ),
            )
    if found or ref is None:
        return list(found.values())
    if broken is not None:
        raise broken
    if missing:
        raise InputError(
            f"{plain(ref)} is incomplete: the image's configuration ({plain(shorten(missing, 100))}) is missing",
            next_step="save the image again",
        )
    raise InputError(f"{plain(ref)} holds artifacts, but no container image")


def _choose(
    images: list[_Readable],
    others: Callable[[], list[_Readable]],
    ref: str,
    selector: str | None,
    diff_ids: tuple[str, ...],
) -> _Readable:
    """One of the images; of the others, which only the index lists (further platforms), where they alone are meant."""
    left = images
    if diff_ids:
        same = [image for image in images if tuple(image.config.diff_ids) == diff_ids]
        left = same or [image for image in others() if tuple(image.config.diff_ids) == diff_ids] or left
    if selector:
        known = left
        left = [image for image in known if _matches(image, selector)]
        if not left:
            known = [*known, *others()]
            left = [image for image in known if _matches(image, selector)]
        if not left:
            raise InputError(
                f"{plain(ref)} holds no image {plain(shorten(selector, 200))}",
                cause=f"it holds {_listed(known)}",
                next_step=f"name one of these after the file: {plain(ref)}:{_NAMED_BY}",
            )
    if diff_ids or len({image.candidate.config_name for image in left}) == 1:
        return left[0]
    # One image for several platforms is no choice for the user to make: the one an engine here would run is taken.
    mine = _fitting(own_platform(), left)
    if len({image.candidate.names for image in left}) == 1 and len(mine) == 1:
        return mine[0]
    raise InputError(
        f"{plain(ref)} holds several images: {_listed(left)}",
        next_step=f"name one of them after the file: {plain(ref)}:{_NAMED_BY}",
    )


def _matches(image: _Readable, selector: str) -> bool:
    names = {form for name in image.candidate.names for form in _forms(name)}
    config_digest = hashlib.sha256(image.raw_config).hexdigest()
    identifier = selector.removeprefix("sha256:").lower()
    is_id = len(identifier) >= 12 and (
        config_digest.startswith(identifier)
        or posixpath.basename(image.candidate.manifest or "").startswith(identifier)
    )
    platform = read_platform(selector)
    is_platform = platform is not None and platform == read_platform(image.platform)
    return is_id or is_platform or not names.isdisjoint(_forms(selector))


def _forms(name: str) -> set[str]:
    """The spellings of one image name: without the default registry, with the default tag."""
    for prefix in ("docker.io/library/", "docker.io/", "localhost/"):
        name = name.removeprefix(prefix)
    has_tag = ":" in name.rpartition("/")[2] or "@" in name
    return {name} if has_tag else {name, f"{name}:latest"}


def _for(platform: Platform, images: list[_Readable], ref: str) -> list[_Readable]:
    """The images for the platform that was asked for. Raises InputError that lists the platforms there are."""
    fitting = _fitting(platform, images)
    if not fitting:
        there = sorted({image.platform for image in images if image.platform})[:_MAX_LISTED]
        raise InputError(
            f"{plain(ref)} holds no image for {platform}",
            cause=f"it holds {', '.join(plain(name) for name in there)}" if there else "it does not say for what it is",
            next_step=f"--platform {plain(there[0])}" if there else "",
        )
    return fitting


def _fitting(platform: Platform, images: list[_Readable]) -> list[_Readable]:
    """The images for the one platform that fits best."""
    offers = [(read_platform(image.platform), image) for image in images]
    chosen = best([offer for offer, _ in offers], platform)
    return [image for offer, image in offers if chosen is not None and offer == chosen]


def _listed(images: list[_Readable]) -> str:
    """The images by name, by id where they have none, with the platform where it tells them apart."""
    several = len({image.platform for image in images}) > 1
    shown: list[str] = []
    for image in images[:_MAX_LISTED]:
        name = ", ".join(image.candidate.names[:3]) or hashlib.sha256(image.raw_config).hexdigest()[:12]
        shown.append(plain(shorten(name, 200)) + (f" ({plain(image.platform)})" if several and image.platform else ""))
    more = len(images) - len(shown)
    return "; ".join(shown) + (f"; and {more} more" if more else "")


def _selection(chosen: _Readable, documents: Documents, ref: str, notes: list[Skipped]) -> Selection:
    candidate, config = chosen.candidate, chosen.config
    if len(candidate.layers) > _MAX_LAYERS:
        raise InputError(
            f"{plain(ref)} lists {len(candidate.layers):,} layers",
            cause="an engine takes 127 at most: the archive is damaged or meant to do harm",
        )
    digest = hashlib.sha256(chosen.raw_config).hexdigest()
    notes += _misnamed("configuration", candidate.config_name, chosen.raw_config)
    if candidate.manifest is not None and (manifest := documents.read(candidate.manifest)) is not None:
        notes += _misnamed("manifest", candidate.manifest, manifest)
    if len(candidate.layers) != len(config.diff_ids):
        notes.append(
            Skipped(
                where="manifest",
                reason=f"it lists {len(candidate.layers)} layers, the configuration {len(config.diff_ids)}",
            )
        )
    image = Image(
        ref=next(iter(candidate.names), ref),
        image_id=f"sha256:{digest}",
        platform=chosen.platform,
        config=config,
        raw_config=chosen.raw_config,
        layers=tuple(_layers(candidate, config, documents, ref, notes)),
    )
    return Selection(image=image, documents=_documents(candidate, documents, chosen.raw_config), skipped=tuple(notes))


def _misnamed(what: str, name: str, data: bytes) -> list[Skipped]:
    """That a document is not what the digest it is named by says."""
    stated, digest = _SHA256.search(name), hashlib.sha256(data).hexdigest()
    if stated is None or stated[0] == digest:
        return []
    return [Skipped(where=what, reason=f"it is named sha256:{stated[0]}, but is sha256:{digest}")]


def _layers(
    candidate: Candidate, config: ImageConfig, documents: Documents, ref: str, notes: list[Skipped]
) -> list[Layer]:
    made_by = config.made_by(len(candidate.layers))
    layers: list[Layer] = []
    for index, source in enumerate(candidate.layers):
        layers.append(
            Layer(
                index=index,
                diff_id=config.diff_ids[index] if index < len(config.diff_ids) else Digest(""),
                digest=source.digest,
                blob=_find_blob(index, source, documents, ref, notes),
                media_type=source.media_type,
                created_by=made_by[index],
            )
        )
    return layers


def _find_blob(index: int, source: LayerSource, documents: Documents, ref: str, notes: list[Skipped]) -> str:
    found = documents.resolve(source.name) if source.name else None
    if found is None and source.is_elsewhere:
        size = f" ({source.size_bytes:,} bytes)" if source.size_bytes is not None else ""
        notes.append(Skipped(where=f"layer {index}", reason=f"it is distributed by URL and not read from there{size}"))
        return source.name
    if found is None:
        raise InputError(
            f"{plain(ref)} is incomplete: layer {index} ({plain(shorten(source.name, 100))}) is missing",
            cause="the engine saved an image that it had only in part, or the file was cut off",
            next_step="pull the image again for this platform, then save it again",
        )
    return found


def _documents(candidate: Candidate, documents: Documents, raw_config: bytes) -> tuple[tuple[str, bytes], ...]:
    """Attestations and the manifest; and of the records that old docker save wrote beside each layer what they say over
    and above the configuration, of which they are copies."""
    names = [candidate.manifest or "", *candidate.attestations]
    found = {name: data for name in names if name and (data := documents.read(name)) is not None}
    for folder in dict.fromkeys(posixpath.dirname(layer.name) for layer in candidate.layers if "/" in layer.name):
        name = f"{folder}/json"
        data = documents.read(name)
        if data is not None:
            more = further_texts(data, raw_config)
            found[name] = data if more is None else more
    return tuple(found.items())
