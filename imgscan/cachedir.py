"""Where things are kept between runs, and whether it can be trusted: nobody but this user may have written there."""

from __future__ import annotations

import os
import stat
from pathlib import Path


def cache_dir() -> Path:
    """The folder for what is kept: `$XDG_CACHE_HOME/imgscan`, by default `~/.cache/imgscan`."""
    base = os.environ.get("XDG_CACHE_HOME", "")
    root = Path(base) if base.startswith("/") else Path(os.path.expanduser("~")) / ".cache"  # noqa: PTH111 - never raises
    return root / "imgscan"


def is_ours(facts: os.stat_result) -> bool:
    """Whether a file or folder belongs to this user, and nobody else may write to it."""
    return facts.st_uid == os.geteuid() and not facts.st_mode & (stat.S_IWGRP | stat.S_IWOTH)
