"""Where a Docker engine with a graph driver keeps an image: its configuration as stored, and for each layer the records
of its headers and the folder of its files. In: the engine's root folder, on this machine. Out: a `StoredImage`.

Layout: moby, image/fs.go, layer/filestore.go and daemon/graphdriver. Every name is made of content addresses, so what
is found under them is the image's, whichever engine's folder it is.
"""

from __future__ import annotations

import hashlib
import os
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import Final

from imgscan.frozen import frozen
from imgscan.lazyre import lazy_re
from imgscan.source.config import MAX_JSON_BYTES

_ID: Final = lazy_re(r"[0-9a-z][0-9a-z-]{11,127}")
_SHA256: Final = lazy_re(r"sha256:([0-9a-f]{64})")
_FOLDERS: Final[dict[str, Callable[[Path, str], Path]]] = {
    "overlay2": lambda root, cache_id: root / "overlay2" / cache_id / "diff",
    "fuse-overlayfs": lambda root, cache_id: root / "fuse-overlayfs" / cache_id / "diff",
    "btrfs": lambda root, cache_id: root / "btrfs" / "subvolumes" / cache_id,
    "vfs": lambda root, cache_id: root / "vfs" / "dir" / cache_id,
}
"""Drivers whose layers lie in folders that are there without mounting; vfs and btrfs have the lower layers' files in
them too, but the records name only the layer's own."""


@frozen
class StoredLayer:
    """A layer: the records of its headers (`tarsplit`), the folder that its files lie in, and how many bytes the store
    says that these have (0: not known)."""

    diff_id: str
    records: Path
    root: Path
    size_bytes: int


@frozen
class StoredImage:
    """An image in the store: `raw_config` is what its id is the digest of; layers base first."""

    raw_config: bytes
    layers: tuple[StoredLayer, ...]


def find_stored_image(root: Path, driver: str, image_id: str, diff_ids: Sequence[str]) -> StoredImage | None:
    """The image, if all of it lies in the store and may be read by this user; None otherwise."""
    folder = _FOLDERS.get(driver)
    found = _SHA256.fullmatch(image_id)
    if folder is None or found is None:
        return None
    try:
        raw_config = _read(root / "image" / driver / "imagedb" / "content" / "sha256" / found[1], MAX_JSON_BYTES)
        if hashlib.sha256(raw_config).hexdigest() != found[1]:
            return None
        layers = tuple(
            _find_layer(root, driver, chain_id, diff_id)
            for chain_id, diff_id in zip(chain_ids(diff_ids), diff_ids, strict=True)
        )
    except (OSError, ValueError):
        return None
    readable = (os.access(layer.records, os.R_OK) and os.access(layer.root, os.R_OK | os.X_OK) for layer in layers)
    return StoredImage(raw_config=raw_config, layers=layers) if all(readable) else None


def chain_ids(diff_ids: Sequence[str]) -> list[str]:
    """The ids of the stacks that end with each layer (OCI image-spec config.md, Layer ChainID)."""
    chain: list[str] = []
    for diff_id in diff_ids:
        below = f"{chain[-1]} {diff_id}" if chain else ""
        chain.append(f"sha256:{hashlib.sha256(below.encode()).hexdigest()}" if below else diff_id)
    return chain


def _find_layer(root: Path, driver: str, chain_id: str, diff_id: str) -> StoredLayer:
    match = _SHA256.fullmatch(chain_id)
    if match is None:
        raise ValueError("not a SHA-256")
    folder = root / "image" / driver / "layerdb" / "sha256" / match[1]
    cache_id = _read(folder / "cache-id", 256).decode("ascii").strip()
    stored_diff_id = _read(folder / "diff", 256).decode("ascii").strip()
    if not _ID.fullmatch(cache_id) or stored_diff_id != diff_id:
        raise ValueError("the store's own records disagree")
    return StoredLayer(
        diff_id=diff_id,
        records=folder / "tar-split.json.gz",
        root=_FOLDERS[driver](root, cache_id),
        size_bytes=_stated_size(folder / "size"),
    )


def _stated_size(path: Path) -> int:
    """What the store says; 0 where it says nothing, since nothing depends on it but the order of reading."""
    try:
        return int(_read(path, 256))
    except (OSError, ValueError):
        return 0


def _read(path: Path, most: int) -> bytes:
    with path.open("rb") as file:
        data = file.read(most + 1)
    if len(data) > most:
        raise ValueError("larger than it can be")
    return data
