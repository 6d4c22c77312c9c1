"""The nouns of a source: an image as its configuration and its layers, and where the layers' bytes come from."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import field
from pathlib import Path
from typing import Protocol

from imgscan.frozen import frozen
from imgscan.layers.digests import BY_SHA256, Hashes, algorithm_of, digest_by_name
from imgscan.layers.tarwindow import ByteStream
from imgscan.model import Digest, Skipped


@frozen
class HistoryEntry:
    """One line of the image's history, oldest first. `created_by` is raw, as the builder wrote it."""

    created_by: str = field(repr=False)
    comment: str = field(default="", repr=False)
    empty_layer: bool = False


@frozen
class ImageConfig:
    """The image configuration (OCI image-spec config.md). `env` holds `NAME=value`, `labels` pairs sorted by name,
    `healthcheck` the Test list or None. Values may be secrets: reprs leave them out."""

    env: tuple[str, ...] = field(default=(), repr=False)
    labels: tuple[tuple[str, str], ...] = field(default=(), repr=False)
    cmd: tuple[str, ...] = field(default=(), repr=False)
    entrypoint: tuple[str, ...] = field(default=(), repr=False)
    user: str = ""
    workdir: str = ""
    healthcheck: tuple[str, ...] | None = field(default=None, repr=False)
    onbuild: tuple[str, ...] = field(default=(), repr=False)
    exposed_ports: tuple[str, ...] = ()
    volumes: tuple[str, ...] = ()
    history: tuple[HistoryEntry, ...] = field(default=(), repr=False)
    diff_ids: tuple[Digest, ...] = ()

    def made_by(self, layers: int) -> tuple[str | None, ...]:
        """The history's words for each of so many layers; None for all where it has more or fewer lines than there
        are layers, since order alone does not tell then which belongs to which."""
        made = tuple(entry.created_by for entry in self.history if not entry.empty_layer)
        return made if len(made) == layers else (None,) * layers


@frozen
class Layer:
    """One layer of an image, `index` from the base upwards.

    `diff_id` is what the configuration says of its content ("" if it says nothing), `digest` what the manifest says of
    the blob, if it does. `blob` is the `LayerBlob.name` that holds it; two layers may share one. `elsewhere_bytes` is
    the size of one that is to be had from a URL only, and is not read (0: not known); None for any other.
    """

    index: int
    diff_id: Digest
    digest: Digest | None
    blob: str
    media_type: str
    created_by: str | None = field(repr=False)
    elsewhere_bytes: int | None = None


def layers_of_store(config: ImageConfig, diff_ids: Sequence[str], *, have_blobs: bool) -> tuple[Layer, ...]:
    """The layers of an image that an engine knows by diffIDs alone; its blobs, if it has them, go by these too."""
    made_by = config.made_by(len(diff_ids))
    return tuple(
        Layer(
            index=index,
            diff_id=Digest(diff_id),
            digest=None,
            blob=diff_id if have_blobs else "",
            media_type="",
            created_by=made_by[index],
        )
        for index, diff_id in enumerate(diff_ids)
    )


@frozen
class Image:
    """An image: `image_id` is the digest of `raw_config` unless the engine says otherwise; layers base first. `digest`
    is what its name stands for in a registry: the manifest, or the index that lists it. `unchosen` are the platforms
    that the source has further images for, where nobody said which one is meant."""

    ref: str
    image_id: str
    platform: str | None
    config: ImageConfig
    raw_config: bytes = field(repr=False)
    layers: tuple[Layer, ...]
    digest: Digest | None = None
    unchosen: tuple[str, ...] = ()

    def hashes(self, blob: str) -> Hashes:
        """The algorithms by which the image states the digests of a blob."""
        found = next((layer for layer in self.layers if layer.blob == blob), None)
        if found is None:
            return BY_SHA256
        return algorithm_of(found.digest or digest_by_name(blob)), algorithm_of(found.diff_id)


@frozen
class LayerBlob:
    """A layer's bytes as stored, maybe compressed. `stream` reads forwards and is valid until the next blob is asked
    for; nothing is opened before its first read. Without `verify` its digests are not worth computing: it is put
    together from what an engine has unpacked. `vouched` says that it is what its diffID says, since the engine saw to
    that, so that it need not be read to know it. `digest` is what a registry or a content store vouches for: that its
    bytes as stored are these. What they unpack to is the image's own word then. `root` is the folder that its files lie
    in by their paths, if they do. `size_bytes` is how large it is where it lies (0: not known). `hashes` are what its
    image states its digests by."""

    name: str
    stream: ByteStream
    verify: bool = True
    vouched: bool = False
    digest: Digest | None = None
    root: Path | None = None
    size_bytes: int = 0
    hashes: Hashes = BY_SHA256


class StoreError(Exception):
    """An engine's store on disk is not, or no longer, what its own records say: the image is to be had from the engine
    itself. The message says what differs."""


class ImageReader(Protocol):
    """An image that can be read once. `kind` is image, archive, layout or registry."""

    @property
    def ref(self) -> str:
        """What the user asked for."""
        ...

    @property
    def kind(self) -> str:
        """Where it comes from."""
        ...

    @property
    def is_known(self) -> bool:
        """Whether `image` can be had before `blobs`."""
        ...

    def blobs(self) -> Iterator[LayerBlob]:
        """Every layer blob of the image once, in storage order.

        A source that can be read only once may hand out blobs that turn out not to be the image's (another platform's,
        another image's of the same archive): `image().layers` says which count. Raises EngineError, InputError.
        """
        ...

    def image(self) -> Image:
        """The image; once `blobs` is exhausted, for seekable sources at any time. Raises EngineError, InputError."""
        ...

    def documents(self) -> tuple[tuple[str, bytes], ...]:
        """Attestations and other small JSON that belong to the image, by name; valid when `image` is."""
        ...

    def skipped(self) -> tuple[Skipped, ...]:
        """What of the source could not be read; valid when `image` is."""
        ...

    def close(self) -> None:
        """Let go of files and connections."""
        ...
