"""An image in a registry, read over HTTP: layers stream by, nothing is copied to disk.

In: `registry://HOST/REPOSITORY[:TAG][@DIGEST]` and a platform. Out: an `ImageReader` whose image and documents are
known before the first layer is asked for; a layer that is not read costs nothing.
"""

from __future__ import annotations

import os
from collections.abc import Callable, Iterable, Iterator, Mapping
from dataclasses import replace
from pathlib import Path
from typing import Final

from imgscan.alike import alike
from imgscan.errors import ImgscanError, InputError
from imgscan.escape import plain, shorten
from imgscan.layers.blob import Limits
from imgscan.model import Digest, Skipped
from imgscan.source.backoff import Effects
from imgscan.source.choice import Asked, other_platforms
from imgscan.source.config import Json, member, objects, parse_json, text, texts
from imgscan.source.credentials import find_login
from imgscan.source.manifests import blob_name
from imgscan.source.platforms import Platform
from imgscan.source.records import Image, LayerBlob
from imgscan.source.reference import DOCKER_HUB, Reference, is_digest, is_tag, parse_host, parse_reference
from imgscan.source.registryblob import BlobStream
from imgscan.source.registryclient import RegistryClient
from imgscan.source.registrydocuments import RegistryDocuments, read_config
from imgscan.source.registryhttp import CERTS_DIRS, Transport
from imgscan.source.registryindex import Found, Manifest, fetch_manifest, find_image
from imgscan.source.select import select_image

_MAX_SIMILAR: Final = 5
_MAX_LISTED: Final = 10
_MAX_COMPARED: Final = 5_000
_MAX_LAYERS: Final = 4096


def open_registry_image(
    target: str,
    *,
    platform: Platform | None = None,
    insecure_hosts: Iterable[str] = (),
    environment: Mapping[str, str] | None = None,
    home: Path | None = None,
    certs_dirs: Iterable[Path] = CERTS_DIRS,
    effects: Effects | None = None,
    bytes_per_s: int = 0,
) -> RegistryReader:
    """The image that a `registry://` reference names.

    `insecure_hosts` may use plain HTTP or a certificate that nobody vouches for; no more than `bytes_per_s`
    are read (0: anything). Raises InputError for a broken reference, an image that is not there (with its tags) or not
    for the platform, EngineError when the registry does not answer or refuses.
    """
    reference = parse_reference(target)
    client, transport = _connect(reference, insecure_hosts, environment, home, certs_dirs, effects, bytes_per_s)
    try:
        return RegistryReader(client, reference, platform, close=transport.close)
    except BaseException:
        transport.close()
        raise


class RegistryLayers:
    """Layers of one repository whose digests are known already: no manifest is asked for. `target` is a `registry://`
    reference. Raises as `open_registry_image` does."""

    def __init__(
        self,
        target: str,
        *,
        insecure_hosts: Iterable[str] = (),
        effects: Effects | None = None,
        bytes_per_s: int = 0,
    ) -> None:
        self._reference = parse_reference(target)
        self._client, self._transport = _connect(
            self._reference, insecure_hosts, None, None, CERTS_DIRS, effects, bytes_per_s
        )

    def open(self, digest: str, size_bytes: int, note: Callable[[str], None]) -> BlobStream:
        """A layer's bytes; `note` is told what is wrong with them. Raises InputError for a digest that is none."""
        if not is_digest(digest):
            raise InputError(f"a layer of {self._reference.name} has no digest that can be checked")
        where = f"the layer {digest[:19]} of {self._reference.name}"
        return BlobStream(self._client, digest, size_bytes, where=where, note=note)

    def close(self) -> None:
        """Close every connection."""
        self._transport.close()


def _connect(
    reference: Reference,
    insecure_hosts: Iterable[str],
    environment: Mapping[str, str] | None,
    home: Path | None,
    certs_dirs: Iterable[Path],
    effects: Effects | None,
    bytes_per_s: int,
) -> tuple[RegistryClient, Transport]:
    """A client for the reference's repository, with the login that the user has for it, and its connections."""
    insecure = reference.host in {parse_host(host) for host in insecure_hosts}
    login = find_login(
        reference, environment=os.environ if environment is None else environment, home=home or Path.home()
    )
    transport = Transport(insecure_host=reference.api_host if insecure else None, certs_dirs=certs_dirs)
    try:
        client = RegistryClient(
            reference, login, transport, insecure=insecure, effects=effects, bytes_per_s=bytes_per_s
        )
        return client, transport
    except BaseException:
        transport.close()
        raise


class RegistryReader:
    """Reads one image of a registry. Everything but the layers is fetched when it is made. `close` lets go of the
    connections, if they are its own."""

    kind = "registry"
    is_known = True

    def __init__(
        self,
        client: RegistryClient,
        reference: Reference,
        platform: Platform | None,
        *,
        close: Callable[[], None] = lambda: None,
    ) -> None:
        self.ref = str(reference)
        self._client = client
        self._close = close
        self._open: list[BlobStream] = []
        self._notes: list[Skipped] = []
        self._configs: dict[str, bytes] = {}
        found = find_image(client, _top(client, reference), reference, platform, self._config)
        self._config(found.manifest)
        self._sizes = _layer_sizes(found.manifest.document, self.ref)
        documents = RegistryDocuments(client, found, self._configs[found.manifest.digest])
        selection = select_image(documents, Asked(ref=self.ref))
        self._documents = tuple(documents.own(selection.documents))
        self._skipped = (*selection.skipped, *documents.notes)
        unchosen = () if platform else other_platforms(selection.image.platform, found.offered)
        self._image = replace(selection.image, ref=self.ref, digest=_digest(found), unchosen=unchosen)

    def blobs(self) -> Iterator[LayerBlob]:
        """Every layer blob once, base first. Each stream connects at its first read and may be read at any time until
        `close`, several at once."""
        for name in dict.fromkeys(layer.blob for layer in self._image.layers):
            if name in self._sizes:
                digest, size = self._sizes[name]
                stream = self._stream(name, digest, size)
                hashes = self._image.hashes(name)
                yield LayerBlob(name=name, stream=stream, digest=Digest(digest), size_bytes=size, hashes=hashes)

    def image(self) -> Image:
        """The image, valid at any time."""
        return self._image

    def documents(self) -> tuple[tuple[str, bytes], ...]:
        """The manifest, attestations, and what else refers to the image."""
        return self._documents

    def skipped(self) -> tuple[Skipped, ...]:
        """What could not be read; what is wrong with a layer's blob is known once it was read."""
        return (*self._skipped, *self._notes)

    def close(self) -> None:
        """Close every connection."""
        for stream in self._open:
            stream.close()
        self._close()

    def _stream(self, name: str, digest: str, size_bytes: int) -> BlobStream:
        stream = BlobStream(
            self._client,
            digest,
            size_bytes,
            where=f"the layer {digest[:19]} of {self.ref}",
            note=lambda reason: self._notes.append(Skipped(where=name, reason=reason)),
        )
        self._open.append(stream)
        return stream

    def _config(self, manifest: Manifest) -> Json:
        """The image's configuration, fetched once. Raises InputError."""
        if manifest.digest not in self._configs:
            self._configs[manifest.digest] = read_config(self._client, manifest, self.ref)
        return parse_json(self._configs[manifest.digest], "the configuration")


def _digest(found: Found) -> Digest:
    """What the reference stands for at this moment: the index where there is one, as engines record it."""
    return Digest(found.index_digest or found.manifest.digest)


def _top(client: RegistryClient, reference: Reference) -> Manifest:
    """What the registry has under the name. Raises InputError that names the tags there are."""
    found = fetch_manifest(client, reference.wanted)
    if found is not None:
        return found
    try:
        tags = [tag for tag in client.tags() if is_tag(tag)][:_MAX_COMPARED]
    except ImgscanError:
        tags = []
    wanted = reference.tag if reference.digest is None else None
    near = alike(wanted, tags, most=_MAX_SIMILAR, cutoff=0.5) if wanted else []
    listed = ", ".join(plain(shorten(tag, 100)) for tag in (near or tags[-_MAX_LISTED:]))
    if near:
        cause = f"there are similar tags: {listed}"
    elif tags:
        cause = f"it has the tags {listed}" if len(tags) <= _MAX_LISTED else f"its {len(tags):,} tags include {listed}"
    else:
        cause = "it has no repository of that name, or none with tags"
    next_step = f"registry://{reference.name}:{near[0]}" if near else "check the spelling"
    if reference.host == DOCKER_HUB:
        next_step += "; a host without a dot needs its port: registry://HOST:PORT/REPOSITORY"
    raise InputError(f"{client.host} has no {reference}", cause=cause, next_step=plain(next_step))


def _layer_sizes(manifest: Json, name: str) -> dict[str, tuple[str, int]]:
    """Blob name -> digest and size of each layer that lies in the registry. Raises InputError for a layer that could
    not be checked."""
    sizes: dict[str, tuple[str, int]] = {}
    largest = Limits().max_bytes
    for index, layer in enumerate(objects(member(manifest, "layers"))):
        digest, size = text(member(layer, "digest")), member(layer, "size")
        if index >= _MAX_LAYERS:
            raise InputError(f"{name} has more than {_MAX_LAYERS:,} layers")
        if not is_digest(digest):
            raise InputError(f"layer {index} of {name} has no digest that can be checked")
        if isinstance(size, bool) or not isinstance(size, int) or not 0 <= size <= largest:
            raise InputError(f"layer {index} of {name} has no size that can be true")
        if not texts(member(layer, "urls")):
            sizes[blob_name(digest) or ""] = (digest, size)
    return sizes
