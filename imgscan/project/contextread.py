"""Small files of the context as text. In: `BuildContext` and a path of it. Out: its text, or None.

The only place of `project/` that opens files: regular files that reach the engine, never through a link, bounded.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Final

from imgscan.dockerfile.locate import read_regular_file
from imgscan.model import EntryKind

if TYPE_CHECKING:
    from imgscan.dockerfile.context import BuildContext

MAX_BYTES: Final = 2 << 20


class ContextReader:
    """Reads files of a context. State: which paths are regular files of it."""

    def __init__(self, context: BuildContext) -> None:
        self.root = context.root
        self.sizes = {file.path: file.size_bytes for file in context.files if file.kind is EntryKind.FILE}

    def text(self, path: str, limit_bytes: int = MAX_BYTES) -> str | None:
        """The text of a file; None when it is no regular file of the context, too large, or cannot be read."""
        size = self.sizes.get(path)
        if size is None or size > limit_bytes:
            return None
        return self.text_beside(path, limit_bytes)

    def text_beside(self, path: str, limit_bytes: int = MAX_BYTES) -> str | None:
        """As `text`, also for a file below the context's root that is not sent (an ignored ignore file)."""
        if path.startswith("/") or ".." in path.split("/"):
            return None
        try:
            return read_regular_file(self.root / path, limit_bytes).decode("utf-8", "surrogateescape")
        except (OSError, ValueError):
            return None
