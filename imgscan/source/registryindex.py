"""From what a registry has under a name to one image: manifest or index -> the manifest for a platform, and what is
attached to it.

An index may be nested, may list platforms, attestations (BuildKit) and things that are no images. What it says of a
platform is believed; where it says nothing, the image's configuration is asked.
"""

from __future__ import annotations

import hashlib
from collections.abc import Callable, Iterator
from dataclasses import field
from typing import Final

from imgscan.errors import InputError
from imgscan.escape import plain, shorten
from imgscan.frozen import frozen
from imgscan.source.config import Json, member, objects, parse_json, platform_of, text
from imgscan.source.manifests import ATTESTATION, ATTESTED, MAX_INDEX_DEPTH
from imgscan.source.platforms import Platform, best, own_platform, read_platform
from imgscan.source.reference import Reference, is_digest
from imgscan.source.registryclient import RegistryClient

_MAX_INDEXES: Final = 64
_MAX_DESCRIPTORS: Final = 2_000
_MAX_ASKED: Final = 32
"""How many images of an index are looked into for their platform."""
_MAX_LISTED: Final = 20
_INDEX_TYPES: Final = frozenset(
    {"application/vnd.oci.image.index.v1+json", "application/vnd.docker.distribution.manifest.list.v2+json"}
)


@frozen
class Manifest:
    """A manifest as the registry sent it, its digest computed from its bytes."""

    digest: str
    data: bytes = field(repr=False)

    @property
    def document(self) -> Json:
        """Decoded. Raises InputError."""
        return parse_json(self.data, f"the manifest {self.digest[:19]}")


@frozen
class Found:
    """The image that is meant: its manifest, the digest of the index it was chosen from and that one's text, what it
    says of the image's platform, the descriptors of its attestations, and the platforms of all images there."""

    manifest: Manifest
    index_digest: str | None
    attestations: tuple[Json, ...] = ()
    index: bytes = field(default=b"", repr=False)
    platform: Json = None
    offered: tuple[str | None, ...] = ()


def fetch_manifest(client: RegistryClient, wanted: str) -> Manifest | None:
    """A manifest by tag or digest; None if there is none. Raises InputError where its content is not the digest's."""
    found = client.manifest(wanted)
    if found is None:
        return None
    if found.data.lstrip()[:1] == b"<":
        raise InputError(
            f"what {client.host} sent as a manifest is not valid JSON, but a web page",
            cause="it may be the login page of the registry, or of a proxy on the way to it",
            next_step=f"docker login {client.host}, or check the proxy's settings and the registry's address",
        )
    algorithm = wanted.partition(":")[0] if is_digest(wanted) else "sha256"
    digest = f"{algorithm}:{hashlib.new(algorithm, found.data).hexdigest()}"
    if is_digest(wanted) and digest != wanted:
        raise InputError(
            f"{client.host} sent another manifest than the one asked for",
            cause=f"the content of {wanted} is {digest}",
            next_step="do not use this image; tell the registry's administrator",
        )
    return Manifest(digest=digest, data=found.data)


def find_image(
    client: RegistryClient,
    top: Manifest,
    reference: Reference,
    wanted: Platform | None,
    read_config: Callable[[Manifest], Json],
) -> Found:
    """The image for the platform; `wanted` None means this machine's, unless there is only one image.

    Raises InputError that lists the platforms there are when none fits.
    """
    _check_kind(top, str(reference))
    if not _is_index(top):
        if wanted is not None:
            offered = read_platform(platform_of(read_config(top)))
            if best([offered], wanted) is None:
                raise no_match(reference, wanted, [offered] if offered else [])
        return Found(manifest=top, index_digest=None)
    walk = _Walk(client, str(reference))
    walk.index(top, 0)
    chosen = _choose(walk, reference, wanted, read_config)
    digest = text(member(chosen, "digest"))
    attestations = [item for item, about in walk.attestations if about in (digest, "")]
    manifest = walk.fetch(digest)
    _check_kind(manifest, str(reference))
    return Found(
        manifest=manifest,
        index_digest=top.digest,
        attestations=tuple(attestations),
        index=top.data,
        platform=member(chosen, "platform"),
        offered=tuple(platform_of(member(item, "platform")) for item in walk.images),
    )


def images_of(client: RegistryClient, top: Manifest, name: str) -> tuple[tuple[str, str | None], ...] | None:
    """Digest and stated platform of every image that an index lists, attestations left out; None for the manifest of
    one image. Raises InputError for what is neither."""
    _check_kind(top, name)
    if not _is_index(top):
        return None
    walk = _Walk(client, name)
    walk.index(top, 0)
    return tuple((text(member(item, "digest")), platform_of(member(item, "platform"))) for item in walk.images)


def no_match(reference: Reference, wanted: Platform, offered: list[Platform]) -> InputError:
    """The error for an image that is not there for a platform."""
    names = sorted({str(platform) for platform in offered})
    more = f" and {len(names) - _MAX_LISTED} more" if len(names) > _MAX_LISTED else ""
    listed = ", ".join(plain(shorten(name, 60)) for name in names[:_MAX_LISTED]) + more
    return InputError(
        f"{reference} has no image for {wanted}",
        cause=f"it has {listed}" if listed else "it does not say for what platform it is",
        next_step=f"--platform {plain(shorten(names[0], 60))}" if names else "",
    )


class _Walk:
    """Collects the images and attestations of an index and of those nested in it."""

    def __init__(self, client: RegistryClient, name: str) -> None:
        self.images: list[Json] = []
        self.attestations: list[tuple[Json, str]] = []
        self._client = client
        self._name = name
        self._indexes = 0
        self._seen: set[str] = set()

    def fetch(self, digest: str) -> Manifest:
        found = fetch_manifest(self._client, digest)
        if found is None:
            raise InputError(
                f"{self._name} is incomplete: its index names {digest}, which the registry does not have",
                next_step="push the image again for all of its platforms",
            )
        return found

    def index(self, index: Manifest, depth: int) -> None:
        self._indexes += 1
        if depth > MAX_INDEX_DEPTH or self._indexes > _MAX_INDEXES:
            raise InputError(f"the index of {self._name} is nested too deeply")
        for descriptor in objects(member(index.document, "manifests")):
            digest = text(member(descriptor, "digest"))
            if not is_digest(digest) or digest in self._seen:
                continue
            self._seen.add(digest)
            if len(self._seen) > _MAX_DESCRIPTORS:
                raise InputError(f"the index of {self._name} lists more than {_MAX_DESCRIPTORS:,} manifests")
            annotations = member(descriptor, "annotations")
            platform = platform_of(member(descriptor, "platform"))
            if text(member(descriptor, "mediaType")) in _INDEX_TYPES:
                self.index(self.fetch(digest), depth + 1)
            elif member(annotations, ATTESTATION) is not None or platform == "unknown/unknown":
                self.attestations.append((descriptor, text(member(annotations, ATTESTED))))
            else:
                self.images.append(descriptor)


def _choose(
    walk: _Walk, reference: Reference, wanted: Platform | None, read_config: Callable[[Manifest], Json]
) -> Json:
    if not walk.images:
        raise InputError(f"the index {reference} lists no image")
    if wanted is None and len(walk.images) == 1:
        return walk.images[0]
    offers = [(read_platform(platform_of(member(item, "platform"))), item) for item in walk.images]
    fitting = wanted or own_platform()
    if best([platform for platform, _ in offers], fitting) is None:
        # One at a time: each look costs two requests.
        asked = _ask_for_platforms(walk, [item for platform, item in offers if platform is None], read_config)
        for platform, item in asked:
            offers.append((platform, item))
            if platform == fitting:
                break
    chosen = best([platform for platform, _ in offers], fitting)
    if chosen is None:
        raise no_match(reference, fitting, [platform for platform, _ in offers if platform is not None])
    return next(item for platform, item in offers if platform == chosen)


def _ask_for_platforms(
    walk: _Walk, items: list[Json], read_config: Callable[[Manifest], Json]
) -> Iterator[tuple[Platform | None, Json]]:
    for item in items[:_MAX_ASKED]:
        try:
            platform = read_platform(platform_of(read_config(walk.fetch(text(member(item, "digest"))))))
        except InputError:
            # An artifact among the images.
            continue
        yield platform, item


def _is_index(manifest: Manifest) -> bool:
    return isinstance(member(manifest.document, "manifests"), list)


def _check_kind(manifest: Manifest, name: str) -> None:
    """Raises InputError for what is neither an image's manifest nor an index."""
    document = manifest.document
    if isinstance(member(document, "manifests"), list):
        if member(document, "config") is not None or member(document, "layers") is not None:
            # Readers that differ in which half they take would see different images (CVE-2021-41190).
            raise InputError(f"{name} claims to be an image and an index at once", next_step="do not use this image")
        return
    if member(document, "schemaVersion") == 1:
        raise InputError(
            f"{name} is an image of the old manifest schema 1, which holds no digests of its layers' content",
            next_step="docker pull it with an old engine and push it again",
        )
    if not isinstance(member(document, "config"), dict) or not isinstance(member(document, "layers"), list):
        kind = text(member(document, "artifactType")) or text(member(document, "mediaType"))
        raise InputError(
            f"{name} is no container image",
            cause=f"its type is {plain(shorten(kind, 100))}"
            if kind
            else "its manifest names no configuration and layers",
            next_step="name the tag of an image",
        )
