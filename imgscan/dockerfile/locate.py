"""Where the Dockerfile of a build lies: the path the user gave, or the default -> its text and place in the context."""

from __future__ import annotations

import os
import stat
from collections.abc import Iterator
from pathlib import Path
from typing import Final

from imgscan.errors import InputError
from imgscan.frozen import frozen

_MAX_DOCKERFILE_BYTES: Final = 16 << 20
"""What a file can have that BuildKit reads in one message of its protocol (gRPC, 16 MiB)."""
_SEARCH_DEPTH: Final = 3
_SEARCH_ENTRIES: Final = 20_000
_SEARCH_SHOWN: Final = 5
_COMPOSE_FILES: Final = ("compose.yaml", "compose.yml", "docker-compose.yaml", "docker-compose.yml")
_NOT_SEARCHED: Final = frozenset({".git", "node_modules", ".venv", "venv", "vendor", "__pycache__"})


@frozen
class FoundDockerfile:
    """`given` is the path as it was given; `path` is the file after links are resolved; `relative` is that path in the
    context, None when it lies outside."""

    given: Path
    path: Path
    relative: str | None
    text: bytes


def locate_dockerfile(root: Path, dockerfile: Path | None) -> FoundDockerfile:
    """The Dockerfile of the context `root`: the given one (relative to the working directory), or the default.

    A link is followed, since the engine does so, but one inside the context must not lead out of it. Raises InputError
    when there is none, naming those found up to three levels deep.
    """
    given = dockerfile if dockerfile is not None else find_default(root)
    if given is None:
        raise _missing(f"there is no Dockerfile in {root}", root)
    inside = _relative_to(given.parent.resolve() / given.name, root.resolve())
    try:
        path = given.resolve(strict=True)
        relative = _relative_to(path, root.resolve())
        if inside is not None and relative is None:
            raise InputError(
                f"{given} is a link that leads out of the build context",
                cause="a context may bring in its own files only",
                next_step=f"if that is wanted, name the file itself: -f {path}",
            )
        text = read_regular_file(path, _MAX_DOCKERFILE_BYTES)
    except (FileNotFoundError, NotADirectoryError) as error:
        raise _missing(f"there is no file {given}", root) from error
    except (OSError, RuntimeError, ValueError) as error:
        reason = (error.strerror if isinstance(error, OSError) else None) or str(error)
        raise InputError(f"the Dockerfile {given} cannot be read: {reason}") from error
    return FoundDockerfile(given=given, path=path, relative=relative, text=text)


def read_regular_file(path: Path, limit_bytes: int) -> bytes:
    """The bytes of a regular file. Raises OSError, or ValueError when it is something else or larger than the limit.

    Does not follow a link in the last component, and does not wait for a fifo.
    """
    if path.is_symlink():
        raise ValueError("it is a symbolic link")
    descriptor = os.open(path, os.O_RDONLY | os.O_NONBLOCK | os.O_NOFOLLOW | os.O_CLOEXEC)
    try:
        status = os.fstat(descriptor)
        if not stat.S_ISREG(status.st_mode):
            raise ValueError("it is not a regular file")
        with os.fdopen(descriptor, "rb", closefd=False) as file:
            data = file.read(limit_bytes + 1)
    finally:
        os.close(descriptor)
    if len(data) > limit_bytes:
        raise ValueError(f"it is larger than {limit_bytes >> 20} MiB")
    return data


def find_default(root: Path) -> Path | None:
    """`Dockerfile`, or `dockerfile` where that one is missing, as docker build looks for it."""
    for name in ("Dockerfile", "dockerfile"):
        if os.path.lexists(root / name):
            return root / name
    return None


def _relative_to(path: Path, root: Path) -> str | None:
    return path.relative_to(root).as_posix() if path.is_relative_to(root) else None


def _missing(what: str, root: Path) -> InputError:
    found = find_dockerfiles(root)
    if not found:
        return InputError(what, cause=f"no file in {root} looks like a Dockerfile", next_step=_without_any(root))
    shown = ", ".join(found[:_SEARCH_SHOWN])
    more = f" and {len(found) - _SEARCH_SHOWN} more" if len(found) > _SEARCH_SHOWN else ""
    return InputError(what, cause=f"found {shown}{more}", next_step=f"use -f, for instance -f {root / found[0]}")


def find_dockerfiles(root: Path) -> tuple[str, ...]:
    """The paths up to three levels below `root` whose names are those of Dockerfiles, nearest first.

    Looks at 20 000 entries at most, follows no link, and leaves dependencies and version control out.
    """
    found = [path for path in _search(os.fspath(root)) if _is_named_so(path.rpartition("/")[2])]
    return tuple(sorted(found, key=lambda path: (path.count("/"), os.fsencode(path))))


def _is_named_so(name: str) -> bool:
    lower = name.lower()
    if lower.endswith(".dockerignore"):
        return False
    return lower in ("dockerfile", "containerfile") or lower.startswith("dockerfile.") or lower.endswith(".dockerfile")


def _search(root: str) -> Iterator[str]:
    waiting = [("", 1)]
    seen = 0
    for directory, depth in waiting:
        try:
            entries = sorted(os.scandir(f"{root}/{directory}"), key=lambda entry: entry.name)
        except OSError:
            continue
        for entry in entries:
            seen += 1
            if seen > _SEARCH_ENTRIES:
                return
            path = f"{directory}/{entry.name}" if directory else entry.name
            if entry.is_file(follow_symlinks=False):
                yield path
            elif entry.is_dir(follow_symlinks=False) and depth < _SEARCH_DEPTH and entry.name not in _NOT_SEARCHED:
                waiting.append((path, depth + 1))


def _without_any(root: Path) -> str:
    """What to do where no Dockerfile is: a compose file alone is something to look at too."""
    if any((root / name).is_file() for name in _COMPOSE_FILES):
        return f"name it with -f; compose files need none: imgscan lint {root} checks them"
    return "name it with -f"
