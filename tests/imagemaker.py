"""Image archives in memory, in every layout that engines and builders write."""

from __future__ import annotations

import gzip
import hashlib
import json
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from tarmaker import archive, directory, header, member, symlink

INDEX_TYPE = "application/vnd.oci.image.index.v1+json"
MANIFEST_TYPE = "application/vnd.oci.image.manifest.v1+json"
CONFIG_TYPE = "application/vnd.oci.image.config.v1+json"
LAYER_TYPE = "application/vnd.oci.image.layer.v1.tar"


def sha(data: bytes) -> str:
    return hashlib.sha256(data).hexdigest()


def dump(value: Any) -> bytes:
    return json.dumps(value).encode()


@dataclass(frozen=True, kw_only=True)
class Made:
    """An image to be written: layers are uncompressed tars, base first."""

    layers: Sequence[bytes]
    names: tuple[str, ...] = ("app:1",)
    settings: Mapping[str, Any] = field(default_factory=dict)
    history: Sequence[Mapping[str, Any]] | None = None
    architecture: str = "amd64"

    @property
    def config(self) -> bytes:
        document: dict[str, Any] = {
            "architecture": self.architecture,
            "os": "linux",
            "config": dict(self.settings),
            "rootfs": {"type": "layers", "diff_ids": [f"sha256:{sha(layer)}" for layer in self.layers]},
        }
        if self.history is not None:
            document["history"] = [dict(entry) for entry in self.history]
        return dump(document)


def manifest_json(*images: Mapping[str, Any]) -> bytes:
    return member(b"manifest.json", dump(list(images)))


def legacy(image: Made) -> bytes:
    """docker save before 25: `<id>/layer.tar`, a layer that comes again as a link, names sorted, manifest.json last."""
    parts: dict[str, bytes] = {}
    names: list[str] = []
    first: dict[str, str] = {}
    for index, layer in enumerate(image.layers):
        layer_id = sha(b"%d" % index + layer)
        diff = sha(layer)
        target = f"../{first[diff]}/layer.tar" if diff in first else None
        first.setdefault(diff, layer_id)
        content = symlink(f"{layer_id}/layer.tar".encode(), (target or "").encode())
        if target is None:
            content = member(f"{layer_id}/layer.tar".encode(), layer)
        parts[layer_id] = (
            directory(f"{layer_id}/".encode())
            + member(f"{layer_id}/VERSION".encode(), b"1.0")
            + member(f"{layer_id}/json".encode(), dump({"id": layer_id}))
            + content
        )
        names.append(f"{layer_id}/layer.tar")
    config = f"{sha(image.config)}.json"
    parts[config] = member(config.encode(), image.config)
    files = b"".join(parts[name] for name in sorted(parts))
    listed = manifest_json({"Config": config, "RepoTags": list(image.names), "Layers": names})
    return archive(files, listed, member(b"repositories", b"{}"))


class Blobs:
    """Blobs by digest, written in the order of their digests as containerd does."""

    def __init__(self) -> None:
        self.data: dict[str, bytes] = {}

    def add(self, data: bytes, media_type: str, **more: Any) -> dict[str, Any]:
        self.data[sha(data)] = data
        return {"mediaType": media_type, "digest": f"sha256:{sha(data)}", "size": len(data), **more}

    def members(self) -> bytes:
        return b"".join(member(f"blobs/sha256/{name}".encode(), data) for name, data in sorted(self.data.items()))


Compress = Callable[[bytes], bytes]


def plain(data: bytes) -> bytes:
    return data


def gzipped(data: bytes) -> bytes:
    """The same bytes for the same data, whatever the time is."""
    return gzip.compress(data, mtime=0)


def add_manifest(blobs: Blobs, image: Made, compress: Compress, **more: Any) -> dict[str, Any]:
    manifest = {
        "schemaVersion": 2,
        "mediaType": MANIFEST_TYPE,
        "config": blobs.add(image.config, CONFIG_TYPE),
        "layers": [blobs.add(compress(layer), LAYER_TYPE) for layer in image.layers],
    }
    return blobs.add(dump(manifest), MANIFEST_TYPE, **more)


def add_attestation(blobs: Blobs, about: str, statement: bytes) -> dict[str, Any]:
    manifest = {
        "schemaVersion": 2,
        "mediaType": MANIFEST_TYPE,
        "config": blobs.add(dump({"rootfs": {"type": "layers", "diff_ids": []}}), CONFIG_TYPE),
        "layers": [blobs.add(statement, "application/vnd.in-toto+json")],
    }
    return blobs.add(
        dump(manifest),
        MANIFEST_TYPE,
        platform={"os": "unknown", "architecture": "unknown"},
        annotations={"vnd.docker.reference.type": "attestation-manifest", "vnd.docker.reference.digest": about},
    )


def save_entry(image: Made, compress: Compress = plain) -> dict[str, Any]:
    return {
        "Config": f"blobs/sha256/{sha(image.config)}",
        "RepoTags": list(image.names),
        "Layers": [f"blobs/sha256/{sha(compress(layer))}" for layer in image.layers],
    }


def index_json(*manifests: Mapping[str, Any] | None) -> bytes:
    listed = None if manifests == (None,) else list(manifests)
    return member(b"index.json", dump({"schemaVersion": 2, "mediaType": INDEX_TYPE, "manifests": listed}))


OCI_LAYOUT = member(b"oci-layout", b'{"imageLayoutVersion": "1.0.0"}')


def names_of(image: Made) -> dict[str, Any]:
    return {"annotations": {"io.containerd.image.name": f"docker.io/library/{image.names[0]}"}} if image.names else {}


def docker25(image: Made) -> bytes:
    """docker save since 25, classic store: plain OCI blobs, index.json and manifest.json."""
    blobs = Blobs()
    found = add_manifest(blobs, image, plain, **names_of(image))
    return archive(
        directory(b"blobs/"), blobs.members(), index_json(found), manifest_json(save_entry(image)), OCI_LAYOUT
    )


def containerd(image: Made, statement: bytes = b'{"predicate": {}}') -> bytes:
    """docker save of the containerd store: gzip layers, a nested index with an attestation."""
    blobs = Blobs()
    found = add_manifest(blobs, image, gzipped, platform={"os": "linux", "architecture": image.architecture})
    attestation = add_attestation(blobs, found["digest"], statement)
    nested = blobs.add(
        dump({"schemaVersion": 2, "mediaType": INDEX_TYPE, "manifests": [found, attestation]}),
        INDEX_TYPE,
        **names_of(image),
    )
    return archive(blobs.members(), index_json(nested), manifest_json(save_entry(image, gzipped)), OCI_LAYOUT)


def podman(image: Made) -> bytes:
    """podman save: layers by diffID at the top, links where old docker had directories."""
    parts = []
    for layer in dict.fromkeys(image.layers):
        parts += [
            member(f"{sha(layer)}.tar".encode(), layer),
            symlink(f"{sha(b'id' + layer)}/layer.tar".encode(), f"../{sha(layer)}.tar".encode()),
        ]
    config = f"{sha(image.config)}.json"
    entry = {
        "Config": config,
        "RepoTags": [f"localhost/{name}" for name in image.names],
        "Layers": [f"{sha(layer)}.tar" for layer in image.layers],
    }
    return archive(*parts, member(config.encode(), image.config), manifest_json(entry))


def kaniko(image: Made) -> bytes:
    """kaniko and crane: compressed layers at the top, the configuration without an ending, the manifest last."""
    entry = {
        "Config": f"sha256:{sha(image.config)}",
        "RepoTags": list(image.names),
        "Layers": [f"{sha(gzipped(layer))}.tar.gz" for layer in image.layers],
    }
    return archive(
        *(member(f"{sha(gzipped(layer))}.tar.gz".encode(), gzipped(layer)) for layer in image.layers),
        member(f"sha256:{sha(image.config)}".encode(), image.config),
        manifest_json(entry),
    )


def oci(image: Made, *, compress: Compress = gzipped) -> bytes:
    """An OCI layout as a tar, without manifest.json."""
    blobs = Blobs()
    found = add_manifest(
        blobs, image, compress, annotations={"org.opencontainers.image.ref.name": image.names[0].partition(":")[2]}
    )
    return archive(OCI_LAYOUT, index_json(found), blobs.members())


def saved_by_id(image: Made) -> bytes:
    """docker save by id: no names, and an index whose manifests are null."""
    blobs = Blobs()
    add_manifest(blobs, image, plain)
    entry = {**save_entry(image), "RepoTags": None}
    return archive(blobs.members(), index_json(None), manifest_json(entry))


LAYOUTS: dict[str, Callable[[Made], bytes]] = {
    "legacy": legacy,
    "docker25": docker25,
    "containerd": containerd,
    "podman": podman,
    "kaniko": kaniko,
    "oci": oci,
    "saved-by-id": saved_by_id,
}


def small_layer(name: bytes, data: bytes) -> bytes:
    return archive(header(b"etc/", flag=b"5", mode=0o755), member(b"etc/" + name, data))


CONTENT = "containerd/daemon/io.containerd.content.v1.content"


def content_store(root: Path, image: Made, *, folder: str = CONTENT, index: bool = False) -> dict[str, Any]:
    """A content store with an image; its record. `index`: what the name stands for lists it, with an attestation."""
    blobs = Blobs()
    found = add_manifest(blobs, image, gzipped, platform={"os": "linux", "architecture": image.architecture})
    top = found
    if index:
        attestation = add_attestation(blobs, found["digest"], b'{"predicate": {}}')
        top = blobs.add(
            dump({"schemaVersion": 2, "mediaType": INDEX_TYPE, "manifests": [found, attestation]}), INDEX_TYPE
        )
    place = root / folder / "blobs" / "sha256"
    place.mkdir(parents=True)
    for name, data in blobs.data.items():
        (place / name).write_bytes(data)
    diff_ids = [f"sha256:{sha(layer)}" for layer in image.layers]
    return {"Id": top["digest"], "Descriptor": {"digest": top["digest"]}, "RootFS": {"Layers": diff_ids}}
