"""The images an archive or a layout lists: manifest.json (docker save), index.json (OCI), or the one manifest of a
directory that skopeo or Podman wrote (`dir:`) -> candidates.

Only what `Documents` hands out is read. An index may loop, list platforms whose bytes are missing, and list things that
are no images; none of that is an error as long as one image is left.
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import replace
from typing import Final, Protocol

from imgscan.errors import InputError
from imgscan.escape import plain, shorten
from imgscan.frozen import frozen
from imgscan.lazyre import lazy_re
from imgscan.model import Digest, Skipped
from imgscan.source.config import Json, member, objects, parse_json, platform_of, text, texts

MAX_INDEX_DEPTH: Final = 8
_MAX_MANIFESTS: Final = 10_000
ATTESTATION: Final = "vnd.docker.reference.type"
ATTESTED: Final = "vnd.docker.reference.digest"
_NAME_KEYS: Final = ("io.containerd.image.name", "org.opencontainers.image.ref.name")
CONFIG_TYPES: Final = frozenset(
    {"application/vnd.oci.image.config.v1+json", "application/vnd.docker.container.image.v1+json"}
)
_COSIGN_KIND: Final = "kind"
_COSIGN_KINDS: Final = tuple(f"dev.cosignproject.cosign/{kind}" for kind in ("sigs", "atts", "sboms"))
"""What `cosign save` marks what it keeps beside an image with."""
_EMPTY_TYPE: Final = "application/vnd.oci.empty.v1+json"
_NO_ARCHIVE: Final = lazy_re(
    r"[/+]json$|^application/vnd\.(dev\.cosign|dev\.sigstore|dsse|in-toto)[.+]|^application/wasm$|^text/"
)
_DIGEST: Final = lazy_re(r"([a-z0-9]+(?:[+._-][a-z0-9]+)*):([0-9a-zA-Z=_-]{32,128})")


class Documents(Protocol):
    """The files of an archive or a layout, by name."""

    def read(self, name: str) -> bytes | None:
        """The content of a small file, None if there is none of that name. Raises InputError if it is too large."""
        ...

    def resolve(self, name: str) -> str | None:
        """The name of the file that a layer's name leads to, links followed; None if it is not there."""
        ...


@frozen
class LayerSource:
    """A layer as the manifest names it. The digest and the size are the blob's and known in OCI only; `is_elsewhere`
    marks layers that are to be fetched from a URL and lie in no archive or registry."""

    name: str
    digest: Digest | None = None
    media_type: str = ""
    size_bytes: int | None = None
    is_elsewhere: bool = False


@frozen
class Candidate:
    """One image of an archive, before anything of it but its manifest was read. `attestations` are document names,
    `indexes` those of the indexes that it was found by. One that `is_artifact` (a signature, say) is no image."""

    names: tuple[str, ...]
    config_name: str
    layers: tuple[LayerSource, ...]
    platform: str | None = None
    manifest: str | None = None
    attestations: tuple[str, ...] = ()
    indexes: tuple[str, ...] = ()
    is_artifact: bool = False


def is_artifact(manifest: Json, annotations: Json = None) -> bool:
    """Whether a manifest with a configuration is something else than an image's. Signatures of cosign have one that
    looks like an image's, but none of their layers is an archive."""
    if text(member(annotations, _COSIGN_KIND)) in _COSIGN_KINDS:
        return True
    kind = text(member(member(manifest, "config"), "mediaType"))
    if kind not in CONFIG_TYPES and (kind == _EMPTY_TYPE or isinstance(member(manifest, "subject"), dict)):
        return True
    types = [text(member(layer, "mediaType")) for layer in objects(member(manifest, "layers"))]
    return bool(types) and all(_NO_ARCHIVE.search(kind) for kind in types)


def blob_name(digest: str) -> str | None:
    """Where a digest's blob lies in an OCI layout; None for what is no digest."""
    return _LAYOUT.name(digest)


@frozen
class _Naming:
    """How files are named after digests, of which `{0}` is the algorithm and `{1}` the value."""

    blob: str
    manifest: str

    def name(self, digest: str, *, manifest: bool = False) -> str | None:
        match = _DIGEST.fullmatch(digest)
        return (self.manifest if manifest else self.blob).format(match[1], match[2]) if match else None


_LAYOUT: Final = _Naming(blob="blobs/{0}/{1}", manifest="blobs/{0}/{1}")
_DIRECTORY: Final = _Naming(blob="{1}", manifest="{1}.manifest.json")


def from_manifest_json(documents: Documents) -> list[Candidate]:
    """The images of docker save's manifest.json; none if it is missing, `null` or something else. Raises InputError."""
    data = documents.read("manifest.json")
    if data is None:
        return []
    return [
        Candidate(
            names=texts(member(entry, "RepoTags")),
            config_name=text(member(entry, "Config")),
            layers=tuple(LayerSource(name=name) for name in texts(member(entry, "Layers"))),
        )
        for entry in objects(parse_json(data, "manifest.json"))
    ]


def from_index(documents: Documents) -> tuple[list[Candidate], list[Skipped]]:
    """The images of an OCI index.json, nested indexes included, and what it lists but has not. Raises InputError."""
    data = documents.read("index.json")
    if data is None:
        return [], []
    walk = _IndexWalk(documents, _LAYOUT, "index.json")
    walk.index(parse_json(data, "index.json"), (), 0)
    return walk.candidates(), walk.notes


def from_directory(documents: Documents) -> tuple[list[Candidate], list[Skipped]]:
    """The image of a directory whose manifest.json is a registry's manifest, or its index, and whose blobs lie beside
    it (containers/image, `dir:`), and what is listed but not there. Raises InputError."""
    data = documents.read("manifest.json")
    if data is None:
        return [], []
    manifest = parse_json(data, "manifest.json")
    walk = _IndexWalk(documents, _DIRECTORY, "manifest.json")
    if isinstance(member(manifest, "manifests"), list):
        walk.index(manifest, (), 0)
        return walk.candidates(), walk.notes
    if not isinstance(member(manifest, "config"), dict):
        return [], []
    return [_from_manifest(manifest, "manifest.json", (), None, _DIRECTORY)], []


def merge(saved: Candidate, indexed: list[Candidate], documents: Documents) -> Candidate:
    """A candidate of manifest.json with what only the index knows of it: blob digests, media types, attestations."""
    for other in indexed:
        if is_same(other, saved, documents):
            return replace(other, names=tuple(dict.fromkeys((*saved.names, *other.names))))
    return saved


def is_same(indexed: Candidate, saved: Candidate, documents: Documents) -> bool:
    """Whether an index and manifest.json mean the same image: one configuration, the same files as its layers. Early
    engines of version 25 wrote a manifest.json without layers (moby#47065)."""
    if indexed.config_name != saved.config_name:
        return False
    return not saved.layers or _files_of(indexed, documents) == _files_of(saved, documents)


def _files_of(candidate: Candidate, documents: Documents) -> list[str]:
    return [documents.resolve(layer.name) or layer.name for layer in candidate.layers]


class _IndexWalk:
    """Collects candidates from an index and those nested in it, each manifest once."""

    def __init__(self, documents: Documents, naming: _Naming, where: str) -> None:
        self.notes: list[Skipped] = []
        self._documents = documents
        self._naming = naming
        self._where = where
        self._found: dict[str, Candidate] = {}
        self._attestations: list[tuple[str, str]] = []
        self._within = [where]
        self._seen: set[str] = set()

    def index(self, index: Json, names: tuple[str, ...], depth: int) -> None:
        for descriptor in objects(member(index, "manifests")):
            if len(self._seen) >= _MAX_MANIFESTS:
                self.notes.append(Skipped(where=self._where, reason=f"more than {_MAX_MANIFESTS:,} manifests"))
                return
            self._descriptor(descriptor, names, depth)

    def candidates(self) -> list[Candidate]:
        by_image: dict[str, list[str]] = {}
        for attestation, attested in self._attestations:
            by_image.setdefault(attested, []).extend(self._attestation_documents(attestation))
        # An attestation that does not say of what is taken to be of every image of the index.
        of_all = by_image.get("", [])
        return [
            replace(candidate, attestations=(*by_image.get(digest, ()), *of_all))
            for digest, candidate in self._found.items()
        ]

    def _descriptor(self, descriptor: Json, inherited: tuple[str, ...], depth: int) -> None:
        digest = text(member(descriptor, "digest"))
        name = self._naming.name(digest, manifest=True)
        annotations = member(descriptor, "annotations")
        names = tuple(found for key in _NAME_KEYS if (found := text(member(annotations, key)))) or inherited
        if digest in self._found:
            known = self._found[digest]
            self._found[digest] = replace(known, names=tuple(dict.fromkeys((*known.names, *names))))
        if name is None or digest in self._seen:
            return
        self._seen.add(digest)
        platform = platform_of(member(descriptor, "platform"))
        if member(annotations, ATTESTATION) is not None or platform == "unknown/unknown":
            self._attestations.append((name, text(member(annotations, ATTESTED))))
            return
        data = self._documents.read(name)
        if data is None:
            where = plain(shorten(platform or digest, 80))
            self.notes.append(Skipped(where=where, reason="the index lists it, but its manifest is not there"))
            return
        manifest = self._parse(data, name)
        if isinstance(member(manifest, "manifests"), list):
            if depth < MAX_INDEX_DEPTH:
                self._within.append(name)
                self.index(manifest, names, depth + 1)
                self._within.pop()
        elif isinstance(member(manifest, "config"), dict):
            self._image(manifest, digest, name, names, descriptor)

    def _image(self, manifest: Json, digest: str, name: str, names: tuple[str, ...], descriptor: Json) -> None:
        annotations = member(descriptor, "annotations")
        found = _from_manifest(manifest, name, names, platform_of(member(descriptor, "platform")), self._naming)
        about = text(member(member(manifest, "subject"), "digest"))
        no_image = is_artifact(manifest, annotations)
        self._found[digest] = replace(found, indexes=tuple(self._within), is_artifact=no_image)
        if no_image:
            self._attestations.append((name, about))

    def _parse(self, data: bytes, name: str) -> Json:
        """What only the index names may be broken without harm to the rest."""
        try:
            return parse_json(data, name)
        except InputError as error:
            self.notes.append(Skipped(where=self._where, reason=error.what))
            return None

    def _attestation_documents(self, name: str) -> tuple[str, ...]:
        data = self._documents.read(name)
        if data is None:
            return ()
        layers = objects(member(self._parse(data, name), "layers"))
        blobs = (self._naming.name(text(member(layer, "digest"))) for layer in layers)
        return (name, *(blob for blob in blobs if blob))


def _from_manifest(
    manifest: Json, name: str, names: tuple[str, ...], platform: str | None, naming: _Naming
) -> Candidate:
    return Candidate(
        names=names,
        config_name=naming.name(text(member(member(manifest, "config"), "digest"))) or "",
        layers=tuple(_from_descriptors(objects(member(manifest, "layers")), naming)),
        platform=platform,
        manifest=name,
        is_artifact=is_artifact(manifest),
    )


def _from_descriptors(descriptors: Iterator[Json], naming: _Naming) -> Iterator[LayerSource]:
    for descriptor in descriptors:
        digest, size = text(member(descriptor, "digest")), member(descriptor, "size")
        yield LayerSource(
            name=naming.name(digest) or "",
            digest=Digest(digest) if digest else None,
            media_type=text(member(descriptor, "mediaType")),
            size_bytes=size if isinstance(size, int) else None,
            is_elsewhere=bool(texts(member(descriptor, "urls"))),
        )
