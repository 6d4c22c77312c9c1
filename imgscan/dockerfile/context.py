"""The build context: a directory and its ignore rules -> the files that reach the engine, and why the others do not.

The Dockerfile in the archive (see `tarball`): `docker build` sends the Dockerfile apart from the context, so one that
is ignored, or lies outside, is not there to be copied. An archive has only one place for both. What is sent differs
from `docker build` as little as possible:

- a Dockerfile that is part of the context is sent where it lies;
- any other one is sent under `RESERVED_DOCKERFILE` at the root, and only `COPY .` and wildcards at the root can pick it
  up (an explicit `COPY Dockerfile` fails, as it does with docker build);
- an ignored `.dockerignore` is not sent: with BuildKit the engine applies no rules to an archive, so nobody reads it.

The classic builder takes an ignored Dockerfile out of the archive again; `classic_context` gives it what that needs.
Links are never followed; what is no file, directory or symbolic link is left out and reported.
"""

from __future__ import annotations

import os
import re
import stat
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Final

from imgscan.dockerfile.ignore import IgnoreRules, PatternRun, may_match_below, parse_ignore
from imgscan.dockerfile.locate import FoundDockerfile, locate_dockerfile, read_regular_file
from imgscan.dockerfile.tarball import context_tar
from imgscan.errors import InputError
from imgscan.frozen import frozen
from imgscan.model import EntryKind, Skipped

__all__ = ["RESERVED_DOCKERFILE", "BuildContext", "ContextFile", "classic_context", "context_tar", "read_context"]

RESERVED_DOCKERFILE: Final = ".imgscan.Dockerfile"
_MAX_IGNORE_BYTES: Final = 4 << 20
_KINDS: Final = {
    stat.S_IFREG: EntryKind.FILE,
    stat.S_IFDIR: EntryKind.DIRECTORY,
    stat.S_IFLNK: EntryKind.SYMLINK,
}
_OTHER_KINDS: Final = {
    stat.S_IFIFO: "a fifo",
    stat.S_IFSOCK: "a socket",
    stat.S_IFCHR: "a character device",
    stat.S_IFBLK: "a block device",
}


@frozen
class ContextFile:
    """A file, directory or symbolic link of the context. `path` is relative with slashes, bytes that are not UTF-8 as
    surrogates; `mode` has the permission bits only; `size_bytes` is 0 unless it is a file."""

    path: str
    size_bytes: int
    mode: int
    kind: EntryKind
    link_target: str | None = None


@frozen
class BuildContext:
    """What a build sends to the engine.

    `dockerfile` is the path the engine has to be told: relative to `root`, or `RESERVED_DOCKERFILE` when it is ignored
    or lies outside; `dockerfile_path` is where it really lies. `files` are sorted by path, directories before what is
    in them; `ignored` are the top-most ignored paths; `size_bytes` is the sum over `files`.
    """

    root: Path
    dockerfile: str
    dockerfile_path: Path
    dockerfile_text: bytes
    files: tuple[ContextFile, ...]
    ignored: tuple[str, ...]
    rules: IgnoreRules | None
    skipped: tuple[Skipped, ...]
    size_bytes: int


def read_context(root: Path, dockerfile: Path | None = None) -> BuildContext:
    """The build context in that directory. `dockerfile` is relative to the working directory, as for `docker build -f`;
    without it, it is `Dockerfile` (or `dockerfile`) in `root`.

    Raises InputError when `root` is no readable directory, when there is no such Dockerfile (naming those found
    nearby), or when the ignore file is invalid.
    """
    check_root(root)
    found = locate_dockerfile(root, dockerfile)
    rules, skipped = _read_rules(root, found)
    walk = _Walk(root=root, runs=rules.runs if rules else (), rules=rules)
    walk.run()
    skipped += walk.skipped
    files = sorted(walk.files, key=lambda file: os.fsencode(file.path))
    in_place = any(file.path == found.relative for file in files)
    return BuildContext(
        root=root,
        dockerfile=found.relative if found.relative and in_place else _reserved_name(files),
        dockerfile_path=found.path,
        dockerfile_text=found.text,
        files=tuple(files),
        ignored=walk.top_most_ignored(),
        rules=rules,
        skipped=tuple(skipped),
        size_bytes=sum(file.size_bytes for file in files),
    )


def _reserved_name(files: list[ContextFile]) -> str:
    """`RESERVED_DOCKERFILE`, or the next name like it when the context has a file of that name."""
    taken = {file.path for file in files if file.path.startswith(".imgscan.")}
    name = RESERVED_DOCKERFILE
    while name in taken:
        name = f"{name}_"
    return name


def classic_context(context: BuildContext) -> tuple[BuildContext, dict[str, bytes]]:
    """The context for the classic builder, and the members that `context_tar` has to add for it.

    That builder reads `.dockerignore` from the archive and takes Dockerfile and `.dockerignore` out of it where the
    rules ignore them. So an ignored Dockerfile keeps its own name, and an ignore file that was left out is replaced by
    one that ignores just the two.
    """
    if any(file.path == context.dockerfile for file in context.files):
        return context, {}
    root = context.root.resolve()
    if context.dockerfile_path.is_relative_to(root):
        context = replace(context, dockerfile=context.dockerfile_path.relative_to(root).as_posix())
    if any(file.path == ".dockerignore" for file in context.files):
        return context, {}
    pattern = re.sub(r"([\\*?\[\]!#])", r"\\\1", context.dockerfile)
    return context, {".dockerignore": os.fsencode(f"{pattern}\n.dockerignore\n")}


def check_root(root: Path) -> None:
    """Raise InputError unless it is a directory that can be read."""
    try:
        if not stat.S_ISDIR(root.stat().st_mode):
            raise InputError(
                f"{root} is not a directory",
                cause="the build context is the directory that holds the files to copy",
                next_step=f"give the directory, and -f {root} if that is the Dockerfile",
            )
        os.scandir(root).close()
    except FileNotFoundError as error:
        raise InputError(
            f"there is no directory {root}",
            next_step="check the path of the build context; an image is looked at with imgscan scan",
        ) from error
    except (OSError, ValueError) as error:
        reason = error.strerror if isinstance(error, OSError) else str(error)
        raise InputError(f"the directory {root} cannot be read: {reason}") from error


def _read_rules(root: Path, dockerfile: FoundDockerfile) -> tuple[IgnoreRules | None, list[Skipped]]:
    """The rules of `<Dockerfile>.dockerignore` beside the Dockerfile, else of `.dockerignore` at the root."""
    beside = dockerfile.given.with_name(f"{dockerfile.given.name}.dockerignore")
    names = {
        beside: beside.relative_to(root).as_posix() if beside.is_relative_to(root) else str(beside),
        root / ".dockerignore": ".dockerignore",
    }
    skipped: list[Skipped] = []
    for path, name in names.items():
        try:
            data = read_regular_file(path, _MAX_IGNORE_BYTES)
        except FileNotFoundError:
            continue
        except OSError as error:
            raise InputError(f"{name} cannot be read: {error.strerror}") from error
        except ValueError as error:
            skipped.append(Skipped(where=name, reason=f"not used as ignore file: {error}"))
            continue
        return parse_ignore(data.decode("utf-8", "surrogateescape"), name), skipped
    return None, skipped


@dataclass(slots=True, kw_only=True)
class _Directory:
    """A directory still to be read: `seen` has a bit for every run of rules that matched it or one above it."""

    path: str
    seen: int
    ignored: bool


class _Walk:
    """One walk over the tree: what reaches the engine, what is ignored, what was left out."""

    def __init__(self, *, root: Path, runs: tuple[PatternRun, ...], rules: IgnoreRules | None) -> None:
        self._root = os.fspath(root)
        self._runs = runs
        self._negated = tuple(pattern for pattern in rules.patterns if pattern.negated) if rules else ()
        self._can_read_all = os.geteuid() == 0
        self.files: list[ContextFile] = []
        self.skipped: list[Skipped] = []
        self._ignored: dict[str, None] = {}
        # Ignored directories that were entered, since something in them may be included again.
        self._entered: dict[str, ContextFile] = {}

    def run(self) -> None:
        waiting = [_Directory(path="", seen=0, ignored=False)]
        while waiting:
            waiting += self._read_directory(waiting.pop())

    def _read_directory(self, directory: _Directory) -> list[_Directory]:
        inside: list[_Directory] = []
        try:
            with os.scandir(f"{self._root}/{directory.path}") as entries:
                for entry in entries:
                    path = f"{directory.path}/{entry.name}" if directory.path else entry.name
                    found = self._read_entry(entry, path, directory)
                    if found:
                        inside.append(found)
        except OSError as error:
            if not directory.ignored:
                self.skipped.append(Skipped(where=directory.path or ".", reason=f"unreadable: {error.strerror}"))
        return inside

    def _read_entry(self, entry: os.DirEntry[str], path: str, directory: _Directory) -> _Directory | None:
        """Take the entry in or leave it out; gives the directory to be read when it is one."""
        is_directory = entry.is_dir(follow_symlinks=False)
        ignored, seen = self._decide(path, directory.seen)
        if ignored:
            self._ignored[path] = None
            if not is_directory or not any(may_match_below(pattern, path) for pattern in self._negated):
                return None
        file = self._make_file(entry, path, report=not ignored)
        if file is None:
            return None
        if ignored:
            self._entered[path] = file
        else:
            self.files.append(file)
            self._include_above(path)
        return _Directory(path=path, seen=seen, ignored=ignored) if is_directory else None

    def _decide(self, path: str, seen_above: int) -> tuple[bool, int]:
        """Whether the path is ignored, and the bits of the runs that matched it or a directory above it.

        MatchesUsingParentResults, by which docker build walks the tree. It differs from `is_ignored` where an exception
        names a directory that no pattern before it ignores: with `dist/*` and `!dist` the files in `dist` stay out.
        """
        ignored = False
        seen = seen_above
        for number, run in enumerate(self._runs):
            bit = 1 << number
            if not seen & bit and run.negated == ignored and run.matches(path):
                seen |= bit
            if seen & bit and run.negated == ignored:
                ignored = not run.negated
        return ignored, seen

    def _include_above(self, path: str) -> None:
        """Include the ignored directories above a path that is included again."""
        while self._entered and (slash := path.rfind("/")) > 0:
            path = path[:slash]
            above = self._entered.pop(path, None)
            if above is None:
                return
            self.files.append(above)
            del self._ignored[path]

    def _make_file(self, entry: os.DirEntry[str], path: str, *, report: bool) -> ContextFile | None:
        try:
            status = entry.stat(follow_symlinks=False)
            kind = _KINDS.get(stat.S_IFMT(status.st_mode))
            # Path.readlink would tidy the target up.
            target = os.readlink(entry.path) if kind is EntryKind.SYMLINK else None  # noqa: PTH115
        except OSError as error:
            self.skipped.append(Skipped(where=path, reason=f"unreadable: {error.strerror}"))
            return None
        reason = None
        if kind is None:
            reason = f"{_OTHER_KINDS.get(stat.S_IFMT(status.st_mode), 'neither file nor directory')}, which is not sent"
        elif kind is EntryKind.FILE and not self._can_read_all and not os.access(entry.path, os.R_OK):
            reason = "unreadable: Permission denied"
        if kind is None or reason:
            if report:
                self.skipped.append(Skipped(where=path, reason=str(reason)))
            return None
        size = status.st_size if kind is EntryKind.FILE else 0
        return ContextFile(path=path, size_bytes=size, mode=stat.S_IMODE(status.st_mode), kind=kind, link_target=target)

    def top_most_ignored(self) -> tuple[str, ...]:
        """The ignored paths that do not lie in an ignored directory, sorted."""
        found = [path for path in self._ignored if path.rpartition("/")[0] not in self._ignored]
        return tuple(sorted(found, key=os.fsencode))
