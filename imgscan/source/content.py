"""An image in containerd's content store, as an engine with the containerd image store keeps it: its blobs, read where
they lie like an OCI layout whose only entry is the image.

Layout: containerd, docs/content-flow.md; the folder's name is the plugin's.
"""

from __future__ import annotations

import json
import os
from pathlib import Path
from typing import Final

from imgscan.errors import InputError
from imgscan.lazyre import lazy_re
from imgscan.source.indexed import DirectoryMembers

_PLUGIN: Final = "io.containerd.content.v1.content"
_SHA256: Final = lazy_re(r"sha256:([0-9a-f]{64})")
# An engine's own containerd first, then the system's, which engines of distributions use.
_ROOTS: Final = ("containerd/daemon", "../containerd")


def find_content(root: Path, digest: str) -> ContentMembers | None:
    """The content store of the engine with that root folder, if it is on this machine, may be read by this user and
    has the blob of an image's `digest`."""
    match = _SHA256.fullmatch(digest)
    for folder in _ROOTS if match is not None else ():
        store = root / folder / _PLUGIN
        if match is not None and os.access(store / "blobs" / "sha256" / match[1], os.R_OK):
            return ContentMembers(store, digest)
    return None


class ContentMembers(DirectoryMembers):
    """The blobs of a content store with an index made for one image."""

    def __init__(self, root: Path, digest: str) -> None:
        super().__init__(root)
        self._index = json.dumps({"manifests": [{"digest": digest}]}).encode()

    def read(self, name: str) -> bytes | None:
        """A document by name. Raises InputError if it is too large or cannot be read."""
        if name == "index.json":
            return self._index
        return super().read(name)

    def is_complete(self, names: tuple[str, ...]) -> bool:
        """Whether all of these blobs are there: engines fetch only the platforms that they run."""
        try:
            return all(self.resolve(name) is not None for name in names)
        except InputError:
            return False
