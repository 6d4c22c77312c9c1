"""Layers as a graph driver keeps them: an archive taken apart into tar-split's records and a folder of its files.

What is written is what tar-split (tar/asm/disassemble.go) writes: all bytes but the contents of files, in segments,
and an entry for each header.
"""

from __future__ import annotations

import base64
import gzip
import hashlib
import io
import json
import os
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from imagemaker import Made, sha

from imgscan.layers.tar import TarEntry, clean_path, read_entries
from imgscan.model import EntryKind
from imgscan.source.graphdriver import chain_ids

SEGMENT, FILE = 2, 1


@dataclass
class Records:
    """tar-split's entries, in order."""

    entries: list[dict[str, Any]] = field(default_factory=list)

    def segment(self, data: bytes) -> None:
        if data:
            payload = base64.b64encode(data).decode()
            self.entries.append({"type": SEGMENT, "payload": payload, "position": len(self.entries)})

    def file(self, name: bytes, size: int) -> None:
        entry: dict[str, Any] = {"type": FILE, "payload": "AAAAAAAAAAA=", "position": len(self.entries)}
        if size:
            entry["size"] = size
        try:
            entry["name"] = name.decode()
        except UnicodeDecodeError:
            entry["name_raw"] = base64.b64encode(name).decode()
        self.entries.append(entry)

    def packed(self) -> bytes:
        return gzip.compress(b"".join(json.dumps(entry).encode() + b"\n" for entry in self.entries), mtime=0)


def take_apart(tar: bytes, root: Path) -> Records:
    """The records of an archive; the contents of its regular files lie below `root` afterwards."""
    records, at = Records(), 0
    for item in read_entries(io.BytesIO(tar)):
        assert isinstance(item, TarEntry), "the archive is whole"
        entry, start = item.entry, item.offset()
        records.segment(tar[at:start])
        size = entry.size_bytes if entry.kind is EntryKind.FILE else 0
        records.file(entry.raw_name or entry.path, size)
        if size:
            write_file(root, entry.path, tar[start : start + size])
        at = start + size
    records.segment(tar[at:])
    return records


def write_file(root: Path, path: bytes, data: bytes) -> None:
    target = root / os.fsdecode(clean_path(path))
    target.parent.mkdir(parents=True, exist_ok=True)
    target.write_bytes(data)


class Store:
    """An engine's root folder with a graph driver's store, as far as images are read from it."""

    def __init__(self, root: Path, driver: str = "overlay2") -> None:
        self.root = root
        self.driver = driver
        self.images = root / "image" / driver / "imagedb" / "content" / "sha256"
        self.layers = root / "image" / driver / "layerdb" / "sha256"
        self.images.mkdir(parents=True)

    def folder(self, cache_id: str) -> Path:
        """Where the files of a layer lie."""
        return {
            "overlay2": self.root / "overlay2" / cache_id / "diff",
            "fuse-overlayfs": self.root / "fuse-overlayfs" / cache_id / "diff",
            "btrfs": self.root / "btrfs" / "subvolumes" / cache_id,
            "vfs": self.root / "vfs" / "dir" / cache_id,
        }[self.driver]

    def add(self, image: Made) -> dict[str, Any]:
        """Put an image in; its record, as the engine's inspect gives it."""
        diff_ids = [f"sha256:{sha(layer)}" for layer in image.layers]
        for layer, diff_id, chain_id in zip(image.layers, diff_ids, chain_ids(diff_ids), strict=True):
            folder = self.layers / chain_id.removeprefix("sha256:")
            folder.mkdir(parents=True, exist_ok=True)
            cache_id = hashlib.sha256(b"cache" + chain_id.encode()).hexdigest()
            root = self.folder(cache_id)
            root.mkdir(parents=True, exist_ok=True)
            (folder / "cache-id").write_text(cache_id)
            (folder / "diff").write_text(diff_id)
            (folder / "tar-split.json.gz").write_bytes(take_apart(layer, root).packed())
        (self.images / sha(image.config)).write_bytes(image.config)
        return {
            "Id": f"sha256:{sha(image.config)}",
            "Os": "linux",
            "Architecture": image.architecture,
            "Config": dict(image.settings),
            "RootFS": {"Type": "layers", "Layers": diff_ids},
        }

    def records_of(self, image: Made, index: int) -> Path:
        """The folder with a layer's records."""
        chain_id = chain_ids([f"sha256:{sha(layer)}" for layer in image.layers])[index]
        return self.layers / chain_id.removeprefix("sha256:")

    def files_of(self, image: Made, index: int) -> Path:
        """The folder with a layer's files."""
        return self.folder((self.records_of(image, index) / "cache-id").read_text())
