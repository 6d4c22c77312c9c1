"""Paths that compose files name, as paths of the project tree. Pure."""

from __future__ import annotations

import posixpath
from typing import Final

from imgscan.lazyre import lazy_re
from imgscan.project.tree import ProjectTree

_REMOTE: Final = lazy_re(r"(?i)[a-z][a-z0-9+.-]*://|git@|github\.com/|.*\.git(#|$)|oci:")


def is_remote(written: str) -> bool:
    """Whether a context or an included file is fetched rather than read: a URL, a Git repository."""
    return _REMOTE.match(written) is not None


def inside(tree: ProjectTree, base: str, written: str) -> str | None:
    """The path of the tree that `written` means from the folder `base`, empty for the root; None where it is absolute,
    leaves the tree, or leads through a symbolic link."""
    if not written or written.startswith(("/", "~", "\\")) or written[1:2] == ":" or "\0" in written:
        return None
    path = posixpath.normpath(posixpath.join(base or ".", written))
    if path == ".." or path.startswith("../"):
        return None
    parts = path.split("/")
    if any("/".join(parts[: at + 1]) in tree.links for at in range(len(parts))):
        return None
    return "" if path == "." else path


def folder_of(path: str) -> str:
    """The folder that a file of the tree lies in."""
    return path.rpartition("/")[0]
