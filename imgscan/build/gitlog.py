"""The git history around a directory -> how often the latest commits changed each file in it."""

from __future__ import annotations

import os
import subprocess
import threading
from collections import Counter
from collections.abc import Mapping
from pathlib import Path
from typing import Final

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
_LOG: Final = (
    *("log", "-n", "200", "--format=", "--name-only", "-z", "--relative"),
    *("--no-renames", "--no-ext-diff", "--no-textconv", "--ignore-submodules=all", "--", "."),
)


def count_changes(root: Path) -> Mapping[str, int]:
    """Path relative to `root` -> in how many of the latest 200 commits that touched `root` it changed.

    {} without git, without a work tree, or where git does not trust the owner of the directory.
    """
    command = ["git", "-C", str(root), "--no-pager", "--no-optional-locks", *_HARMLESS, *_LOG]
    try:
        process = subprocess.Popen(  # noqa: S603 - a fixed program; every argument but the directory is ours
            command,
            stdin=subprocess.DEVNULL,
            stdout=subprocess.PIPE,
            stderr=subprocess.DEVNULL,
            env=_environment(),
        )
    except (OSError, ValueError):
        return {}
    with process:
        timer = threading.Timer(_TIMEOUT_S, process.kill)
        timer.start()
        try:
            output = process.stdout.read(_MAX_BYTES) if process.stdout else b""
        finally:
            timer.cancel()
            process.kill()
    names = output.decode("utf-8", "surrogateescape").split("\0")
    return Counter(name.strip("\n") for name in names if name.strip("\n"))


def _environment() -> dict[str, str]:
    """The environment without what would point git at another repository."""
    kept = {name: value for name, value in os.environ.items() if not name.startswith("GIT_")}
    return kept | {"GIT_TERMINAL_PROMPT": "0", "GIT_NO_LAZY_FETCH": "1", "LC_ALL": "C"}
