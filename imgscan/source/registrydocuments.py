"""The small files of an image in a registry by the names an OCI layout gives them, so that a registry is read as a
layout is: `select.select_image` asks for `index.json` and `blobs/ALGORITHM/HEX`, and gets what the registry has.

Everything is checked against its digest. What belongs to the image itself must be there; what is attached to it may be
missing or too large, which is noted.
"""

from __future__ import annotations

import hashlib
import json
from collections.abc import Iterable, Iterator
from typing import Final

from imgscan.errors import EngineError, InputError
from imgscan.escape import plain, shorten
from imgscan.model import Skipped
from imgscan.source.config import MAX_JSON_BYTES, Json, has_root_file_system, member, objects, parse_json, text, texts
from imgscan.source.manifests import ATTESTATION, ATTESTED, CONFIG_TYPES, blob_name, is_artifact
from imgscan.source.members import MAX_DOCUMENTS_BYTES
from imgscan.source.reference import is_digest
from imgscan.source.registryclient import RegistryClient
from imgscan.source.registryindex import Found, Manifest, fetch_manifest

_MAX_ATTACHED: Final = 200
"""How many documents may be attached to one image."""


def read_config(client: RegistryClient, manifest: Manifest, name: str) -> bytes:
    """An image's configuration. Raises InputError when it is missing, not what its digest says, or no image's."""
    descriptor = member(manifest.document, "config")
    digest = text(member(descriptor, "digest"))
    kind = text(member(descriptor, "mediaType"))
    data = _blob(client, digest, _size(descriptor)) if is_digest(digest) else None
    if data is None:
        raise InputError(
            f"{name} is incomplete: the registry does not have its configuration", next_step="push the image again"
        )
    try:
        is_image = has_root_file_system(parse_json(data, "the configuration"))
    except InputError:
        if kind in CONFIG_TYPES:
            raise
        is_image = False
    if not is_image or is_artifact(manifest.document):
        artifact = text(member(manifest.document, "artifactType")) or kind
        raise InputError(
            f"{name} holds an artifact, but no container image",
            cause=f"its type is {plain(shorten(artifact, 100))}" if artifact else "",
            next_step="name the tag of an image",
        )
    return data


class RegistryDocuments:
    """What `select_image` reads, for the image that was found. Nothing is fetched twice."""

    def __init__(self, client: RegistryClient, found: Found, config: bytes) -> None:
        self.notes: list[Skipped] = []
        self._client = client
        self._manifests: set[str] = set()
        self._attached_bytes = 0
        self._attached_count = 0
        self._known: dict[str, bytes | None] = {}
        manifest = found.manifest.document
        self._known[_name(found.manifest.digest)] = found.manifest.data
        self._known[_name(text(member(member(manifest, "config"), "digest")))] = config
        self._layers = {
            _name(text(member(layer, "digest")))
            for layer in objects(member(manifest, "layers"))
            if not _elsewhere(layer)
        }
        self._found_index = found.index
        self._known["index.json"] = self._index(found)
        self._known["manifest.json"] = None

    def read(self, name: str) -> bytes | None:
        """A document by name, None if the registry has none or it could not be read (`notes`)."""
        if name not in self._known:
            self._known[name] = self._attached(name)
        return self._known[name]

    def resolve(self, name: str) -> str | None:
        """A layer by name; whether the registry has it shows when it is read."""
        return name if name in self._layers else None

    def own(self, documents: Iterable[tuple[str, bytes]]) -> Iterator[tuple[str, bytes]]:
        """Documents with the registry's own index in place of the one that was made."""
        for name, data in documents:
            if name != "index.json":
                yield name, data
            elif self._found_index:
                yield "index", self._found_index

    def _index(self, found: Found) -> bytes:
        """An index of the one image, its attestations, and what else refers to it."""
        attached = [*found.attestations, *self._referrers(found.manifest.digest)]
        if found.index_digest is not None:
            attached += self._referrers(found.index_digest)
        digests = dict.fromkeys(text(member(item, "digest")) for item in attached)
        digests.pop(found.manifest.digest, None)
        marked = [
            {"digest": digest, "annotations": {ATTESTATION: "attached", ATTESTED: found.manifest.digest}}
            for digest in digests
            if is_digest(digest)
        ]
        self._manifests = {_name(digest) for digest in digests}
        image = {"digest": found.manifest.digest, "platform": found.platform}
        return json.dumps({"manifests": [image, *marked]}).encode()

    def _referrers(self, digest: str) -> list[Json]:
        try:
            answer = self._client.referrers(digest)
            index = parse_json(answer.data, "the list of referrers") if answer is not None else None
        except (EngineError, InputError) as error:
            self._note("referrers", f"what refers to the image could not be listed: {error.what}")
            return []
        return list(objects(member(index, "manifests")))

    def _attached(self, name: str) -> bytes | None:
        """An attestation or a part of one: as many as are sensible, and no error of theirs ends the scan."""
        digest = name.removeprefix("blobs/").replace("/", ":", 1)
        self._attached_count += 1
        if self._attached_count > _MAX_ATTACHED or self._attached_bytes >= MAX_DOCUMENTS_BYTES:
            if self._attached_count == _MAX_ATTACHED + 1:
                self._note("attestations", "there are too many to read them all")
            return None
        if not is_digest(digest):
            return None
        try:
            data = self._fetch(name, digest)
        except EngineError as error:
            # Each further one might wait as long for nothing.
            self._attached_count = _MAX_ATTACHED + 1
            self._note(name, f"{error.what}; what else is attached to the image was not asked for")
            return None
        except InputError as error:
            self._note(name, error.what)
            return None
        if data is None:
            self._note(name, "the registry does not have this attestation")
        self._attached_bytes += len(data or b"")
        return data

    def _fetch(self, name: str, digest: str) -> bytes | None:
        if name in self._manifests:
            manifest = fetch_manifest(self._client, digest)
            return manifest.data if manifest is not None else None
        return _blob(self._client, digest, None)

    def _note(self, where: str, reason: str) -> None:
        self.notes.append(Skipped(where=where, reason=reason))


def _blob(client: RegistryClient, digest: str, size_bytes: int | None) -> bytes | None:
    """A small blob, checked; None if there is none. Raises InputError."""
    found = client.blob(digest, size_bytes=size_bytes)
    if found is None:
        return None
    if len(found.data) > MAX_JSON_BYTES:
        raise InputError(f"{digest[:19]} is larger than {MAX_JSON_BYTES:,} bytes")
    algorithm, _, stated = digest.partition(":")
    if hashlib.new(algorithm, found.data).hexdigest() != stated:
        raise InputError(
            f"{client.host} sent something else than {digest[:19]}",
            cause="the content is not what the digest says",
            next_step="do not use this image; tell the registry's administrator",
        )
    return found.data


def _name(digest: str) -> str:
    return blob_name(digest) or ""


def _size(descriptor: Json) -> int | None:
    size = member(descriptor, "size")
    return size if isinstance(size, int) and size >= 0 else None


def _elsewhere(layer: Json) -> bool:
    return bool(texts(member(layer, "urls")))
