"""The git history around a directory -> the paths that its latest commits changed, by commit or counted."""

from __future__ import annotations

import os
import subprocess
import threading
from collections import Counter
from collections.abc import Iterator, Mapping, Sequence
from pathlib import Path
from typing import Final

from imgscan.errors import InputError
from imgscan.frozen import frozen

_TIMEOUT_S: Final = 20.0
_MAX_BYTES: Final = 4 * 1024 * 1024
# The repository is not trusted: of all that its configuration could make git run (a monitor, hooks, external diffs,
# signature checks, a transport to fetch missing objects), nothing is left.
_HARMLESS: Final = (
    *("-c", "core.fsmonitor="),
    *("-c", "core.hooksPath=/dev/null"),
    *("-c", "core.pager=cat"),
    *("-c", "core.quotePath=false"),
    *("-c", "diff.external="),
    *("-c", "log.showSignature=false"),
    *("-c", "protocol.allow=never"),
)
_NAMES: Final = (
    *("--name-only", "-z", "--relative"),
    *("--no-renames", "--no-ext-diff", "--no-textconv", "--ignore-submodules=all"),
)
_MAX_HISTORY_BYTES: Final = 64 * 1024 * 1024


@frozen
class Commit:
    """One commit: its id, when it was committed (seconds since the epoch), and the paths it changed, relative to the
    directory that was asked about, with bytes that are not UTF-8 as surrogates."""

    id: str
    time_s: int
    paths: tuple[str, ...]


def count_changes(root: Path) -> Mapping[str, int]:
    """Path relative to `root` -> in how many of the latest 200 commits that touched `root` it changed.

    {} without git, without a work tree, or where git does not trust the owner of the directory.
    """
    output = _git_log(root, ("-n", "200", "--format=", *_NAMES, "--", "."), _MAX_BYTES)
    names = (output or b"").decode("utf-8", "surrogateescape").split("\0")
    return Counter(name.strip("\n") for name in names if name.strip("\n"))


def read_commits(root: Path, count: int) -> tuple[Commit, ...]:
    """The latest `count` commits of the repository around `root`, newest first; merges, and commits whose parent is not
    there (the first one, the end of a shallow clone), are left out. One that changed nothing below `root` has no paths.

    Raises InputError where there is no history to read.
    """
    options = ("-n", str(count), "--no-merges", "--format=%x00%H %ct %P", *_NAMES)
    output = _git_log(root, options, _MAX_HISTORY_BYTES)
    if output is None or not output:
        raise InputError(
            f"git reads no history at {root}",
            cause="it is not in a repository, has no commits, belongs to another user (git's safe.directory), or git is"
            " not installed",
            next_step="name a context inside a clone of the repository",
        )
    return tuple(parse_commits(output))


def why_so_few(root: Path, found: int, wanted: int) -> str:
    """Why `read_commits` gave fewer than were asked for, if it is not that there are no more; "" otherwise."""
    if found >= wanted:
        return ""
    if (_git(root, "rev-parse", ("--is-shallow-repository",), 16) or b"").strip() == b"true":
        return (
            "the clone is shallow: what its oldest commit changed is not known "
            "(git fetch --unshallow brings the rest, fetch-depth: 0 in GitHub's checkout)"
        )
    return "" if found else "there are only merges and the first commit, which has none before it to compare with"


def parse_commits(output: bytes) -> Iterator[Commit]:
    """The commits of `git log -z --name-only --format=%x00%H %ct %P`: an empty field, then the commit, then its paths,
    the first of them behind a line end. A path is never empty, so that whatever it holds, it is no field like that."""
    fields = output.decode("utf-8", "surrogateescape").split("\0")
    at = 0
    while at + 1 < len(fields):
        head = fields[at + 1].split(" ")
        end = at + 2
        while end < len(fields) and fields[end]:
            end += 1
        paths = [fields[at + 2].removeprefix("\n"), *fields[at + 3 : end]] if end > at + 2 else []
        if len(head) > 2 and head[2] and head[1].lstrip("-").isdigit():
            yield Commit(id=head[0], time_s=int(head[1]), paths=tuple(paths))
        at = end


def _git_log(root: Path, options: Sequence[str], limit: int) -> bytes | None:
    """What `git log` prints, at most `limit` bytes of it and whole fields; None if it cannot be run or fails."""
    return _git(root, "log", options, limit)


def _git(root: Path, verb: str, options: Sequence[str], limit: int) -> bytes | None:
    command = ["git", "-C", str(root), "--no-pager", "--no-optional-locks", *_HARMLESS, verb, *options]
    try:
        process = subprocess.Popen(  # noqa: S603 - a fixed program; every argument but the directory is ours
            command,
            stdin=subprocess.DEVNULL,
            stdout=subprocess.PIPE,
            stderr=subprocess.DEVNULL,
            env=_environment(),
        )
    except (OSError, ValueError):
        return None
    with process:
        timer = threading.Timer(_TIMEOUT_S, process.kill)
        timer.start()
        try:
            output = process.stdout.read(limit) if process.stdout else b""
            whole = len(output) < limit
            if whole:
                process.wait()
        finally:
            timer.cancel()
            process.kill()
    if whole:
        return output if process.returncode == 0 else None
    return output[: output.rfind(b"\0") + 1]


def _environment() -> dict[str, str]:
    """The environment without what would point git at another repository."""
    kept = {name: value for name, value in os.environ.items() if not name.startswith("GIT_")}
    return kept | {"GIT_TERMINAL_PROMPT": "0", "GIT_NO_LAZY_FETCH": "1", "LC_ALL": "C"}
