"""Which image of an archive is meant, and which files are its layers: candidates -> `Image`.

manifest.json wins over index.json where both are there: engines write it for the image that was asked for, while the
index may list platforms without bytes, no layers, or nothing at all (moby#47065, moby#49473). Where they name different
images, that is told.
"""

from __future__ import annotations

import hashlib
import posixpath
from dataclasses import replace
from functools import cache
from typing import Final

from imgscan.errors import InputError
from imgscan.escape import plain, shorten
from imgscan.frozen import frozen
from imgscan.layers.digests import ALGORITHMS
from imgscan.lazyre import lazy_re
from imgscan.model import Digest, Skipped
from imgscan.source.choice import Asked, Readable, choose, for_platform, unchosen
from imgscan.source.config import Json, further_texts, has_root_file_system, parse_config, parse_json, platform_of
from imgscan.source.manifests import (
    Candidate,
    Documents,
    LayerSource,
    from_directory,
    from_index,
    from_manifest_json,
    is_same,
    merge,
)
from imgscan.source.members import HEAD_BYTES, is_packed
from imgscan.source.records import Image, ImageConfig, Layer

_HEX: Final = lazy_re(r"(?<![0-9a-f])[0-9a-f]{64,128}(?![0-9a-f])")
_BY_LENGTH: Final = {digits: algorithm for algorithm, digits in ALGORITHMS.items()}
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


def select_image(documents: Documents, asked: Asked) -> Selection:
    """The image asked for: by its diffIDs, by a selector (a name, tag, id, digest or platform), by platform, or the
    only one. Raises InputError when there is none, more than one, or a part of it is missing."""
    ref, platform = asked.ref, asked.platform
    documents = _Bounded(documents, ref)
    candidates, others, notes = _candidates(documents)
    if not candidates:
        nothing = "it has neither a manifest.json (docker save, skopeo) nor an index.json (OCI) that lists one"
        raise InputError(
            f"{plain(ref)} holds no image",
            cause="; ".join(f"{note.where}: {note.reason}" for note in notes[:3]) or nothing,
            next_step="write it with docker save -o FILE IMAGE",
        )
    readable = _readable(candidates, documents, ref)
    if platform is not None:
        readable, others = for_platform(platform, [*readable, *_readable(others, documents)], ref), []
    further = cache(lambda: _readable(others, documents))
    chosen, told = choose(readable, further, asked)
    selection = _selection(chosen, documents, ref, [*notes, *told])
    if asked.is_precise:
        return selection
    return replace(selection, image=replace(selection.image, unchosen=unchosen(chosen, [*readable, *further()])))


def held_images(documents: Documents, *, ref: str) -> tuple[Held, ...]:
    """Every image that there is; none where nothing lists one. Raises InputError when the one that is listed has no
    configuration."""
    documents = _Bounded(documents, ref)
    candidates, others, _ = _candidates(documents)
    readable = [*_readable(candidates, documents, ref), *_readable(others, documents)] if candidates else []
    return tuple(
        Held(
            names=image.candidate.names,
            image_id=image.config_id,
            platform=image.platform,
        )
        for image in readable
    )


def _candidates(documents: Documents) -> tuple[list[Candidate], list[Candidate], list[Skipped]]:
    """The images that are meant, others that only an index lists, and what it lists but has not."""
    saved = from_manifest_json(documents)
    indexed, notes = from_index(documents)
    if not saved and not indexed:
        indexed, further = from_directory(documents)
        notes = further if indexed else [*notes, *further]
    if not any(candidate.layers for candidate in saved) and indexed:
        known = {candidate.config_name for candidate in indexed}
        return indexed, [one for one in saved if one.config_name not in known], [] if saved else notes
    others = [candidate for candidate in indexed if not any(is_same(candidate, one, documents) for one in saved)]
    return [merge(candidate, indexed, documents) for candidate in saved], others, [] if saved else notes


def _readable(candidates: list[Candidate], documents: Documents, ref: str | None = None) -> list[Readable]:
    """The candidates that are images, each configuration once. Raises InputError if none is, where `ref` is given."""
    found: dict[tuple[object, ...], Readable] = {}
    missing = other = ""
    broken: InputError | None = None
    for candidate in candidates:
        if candidate.is_artifact:
            continue
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
                (candidate.names, candidate.config_name, *candidate.layers),
                Readable(
                    candidate=candidate,
                    raw_config=raw,
                    config=parse_config(document),
                    platform=candidate.platform or platform_of(document),
                ),
            )
        elif not isinstance(document, dict) or document.keys() & {"config", "rootfs", "history"}:
            other = other or candidate.config_name
    if found or ref is None:
        return list(found.values())
    raise broken or _no_image(ref, missing, other)


def _no_image(ref: str, missing: str, other: str) -> InputError:
    """Why there is none: a configuration is `missing`, or an `other` one is no image's; else there are artifacts."""
    if missing:
        return InputError(
            f"{plain(ref)} is incomplete: the image's configuration ({plain(shorten(missing, 100))}) is missing",
            next_step="save the image again",
        )
    if other:
        return InputError(
            f"{plain(ref)} is damaged: {plain(shorten(other, 100))} is no configuration of an image",
            cause="it does not say of what layers the image is (rootfs)",
            next_step="save the image again",
        )
    return InputError(f"{plain(ref)} holds artifacts, but no container image")


def _selection(chosen: Readable, documents: Documents, ref: str, notes: list[Skipped]) -> Selection:
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
        layers=tuple(_layers(candidate, config, documents, ref)),
    )
    found = _documents(candidate, documents, chosen.raw_config, notes)
    return Selection(image=image, documents=found, skipped=tuple(notes))


def _misnamed(what: str, name: str, data: bytes) -> list[Skipped]:
    """That a document is not what the digest it is named by says."""
    stated = _HEX.search(name)
    algorithm = _BY_LENGTH.get(len(stated[0])) if stated is not None else None
    if stated is None or algorithm is None:
        return []
    digest = hashlib.new(algorithm, data).hexdigest()
    if stated[0] == digest:
        return []
    return [Skipped(where=what, reason=f"it is named {algorithm}:{stated[0]}, but is {algorithm}:{digest}")]


def _layers(candidate: Candidate, config: ImageConfig, documents: Documents, ref: str) -> list[Layer]:
    made_by = config.made_by(len(candidate.layers))
    layers: list[Layer] = []
    for index, source in enumerate(candidate.layers):
        layers.append(
            Layer(
                index=index,
                diff_id=config.diff_ids[index] if index < len(config.diff_ids) else Digest(""),
                digest=source.digest,
                blob=(blob := _find_blob(index, source, documents, ref)) or source.name,
                elsewhere_bytes=None if blob else max(source.size_bytes or 0, 0),
                media_type=source.media_type,
                created_by=made_by[index],
            )
        )
    return layers


def _find_blob(index: int, source: LayerSource, documents: Documents, ref: str) -> str | None:
    """The file of a layer; None for one that lies elsewhere. Raises InputError for one that is missing."""
    found = documents.resolve(source.name) if source.name else None
    if found is None and source.is_elsewhere:
        return None
    if found is None:
        raise InputError(
            f"{plain(ref)} is incomplete: layer {index} ({plain(shorten(source.name, 100))}) is missing",
            cause="the engine saved an image that it had only in part, or the file was cut off",
            next_step="pull the image again for this platform, then save it again",
        )
    return found


def _attached(name: str, documents: Documents, notes: list[Skipped]) -> bytes | None:
    """What is attached to the image; that it is there and could not be read is noted."""
    try:
        data = documents.read(name)
    except InputError as error:
        notes.append(
            Skipped(where=plain(name), reason=f"it is attached to the image and was not searched: {error.what}")
        )
        return None
    if data is not None and is_packed(data[:HEAD_BYTES]):
        data = None
    if data is None and documents.resolve(name) is not None:
        notes.append(
            Skipped(where=plain(name), reason="it is attached to the image and was not searched: it is no text")
        )
    return data


def _documents(
    candidate: Candidate, documents: Documents, raw_config: bytes, notes: list[Skipped]
) -> tuple[tuple[str, bytes], ...]:
    """Attestations, the manifest and the indexes; and of the records that old docker save wrote beside each layer what
    they say over and above the configuration, of which they are copies."""
    names = [*candidate.indexes, candidate.manifest or ""]
    found = {name: data for name in names if name and (data := documents.read(name)) is not None}
    found |= {name: data for name in candidate.attestations if (data := _attached(name, documents, notes)) is not None}
    for folder in dict.fromkeys(posixpath.dirname(layer.name) for layer in candidate.layers if "/" in layer.name):
        name = f"{folder}/json"
        data = _attached(name, documents, notes)
        if data is not None:
            more = further_texts(data, raw_config)
            found[name] = data if more is None else more
    return tuple(found.items())
