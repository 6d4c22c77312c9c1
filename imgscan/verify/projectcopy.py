"""A copy of the project to run things in. In: its folder. Out: a folder of ours with its files, without packages and
version control; links that lead out of it are left out."""

from __future__ import annotations

import os
import posixpath
import shutil
from collections.abc import Callable
from contextlib import suppress
from pathlib import Path
from typing import Final

from imgscan.errors import InputError

_LEFT_OUT: Final = frozenset({".git", "node_modules", ".venv", "venv", "__pycache__", ".tox", ".pnpm-store"})
_MOST_FILES: Final = 100_000
_MOST_BYTES: Final = 2 << 30
_DEEPEST: Final = 60


def copy_project(root: Path, target: Path) -> None:
    """Copy the regular files and inner links below `root` to `target`, which must not exist.

    Raises InputError for a project of more than 100,000 files or 2 GiB, OSError when the disk is full.
    """
    files = size = 0
    target.mkdir(mode=0o755)
    waiting = [("", 0)]
    while waiting:
        folder, depth = waiting.pop()
        try:
            with os.scandir(root / folder) as entries:
                listed = sorted(entries, key=lambda entry: entry.name)
        except (PermissionError, FileNotFoundError):
            continue
        for entry in listed:
            path = f"{folder}/{entry.name}" if folder else entry.name
            if entry.is_symlink():
                _copy_link(root, target, path)
            elif entry.is_dir(follow_symlinks=False):
                if entry.name not in _LEFT_OUT and depth < _DEEPEST:
                    (target / path).mkdir(mode=0o755)
                    waiting.append((path, depth + 1))
            elif entry.is_file(follow_symlinks=False):
                files, size = files + 1, size + entry.stat(follow_symlinks=False).st_size
                if files > _MOST_FILES or size > _MOST_BYTES:
                    raise InputError(
                        "the project is too large to be copied",
                        cause=f"over {_MOST_FILES} files or 2 GiB, packages and version control not counted",
                        next_step="run it in a clean checkout",
                    )
                # What its owner may not read, a build cannot have either; what is gone meanwhile is gone.
                with suppress(PermissionError, FileNotFoundError):
                    _copy_file(root / path, target / path)


def give_to(folder: Path, owner: int) -> None:
    """Make a user the owner of a folder and of all in it."""
    os.chown(folder, owner, owner)
    for parent, folders, files in os.walk(folder):
        for name in (*folders, *files):
            os.chown(Path(parent, name), owner, owner, follow_symlinks=False)


def _copy_file(source: Path, target: Path) -> None:
    # Opened once and without following: what was a file when it was listed may have become a link.
    with os.fdopen(os.open(source, os.O_RDONLY | os.O_NOFOLLOW | os.O_NONBLOCK), "rb") as reading:
        mode = os.fstat(reading.fileno()).st_mode & 0o777
        with target.open("xb") as writing:
            shutil.copyfileobj(reading, writing)
    target.chmod(mode | 0o600)


def _copy_link(root: Path, target: Path, path: str) -> None:
    points_to = str((root / path).readlink())
    inside = posixpath.normpath(posixpath.join(posixpath.dirname(path), points_to))
    if not points_to.startswith("/") and inside != ".." and not inside.startswith("../"):
        (target / path).symlink_to(points_to)


def inside(root: Path, path: str, resolve: Callable[[str], str] = os.path.realpath) -> Path | None:
    """The path if it lies in `root` whatever links are on its way, else None."""
    real, base = resolve(path), resolve(str(root))
    return Path(path) if real == base or real.startswith(f"{base}/") else None
