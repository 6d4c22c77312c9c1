"""The summary of a step of GitHub Actions, for what may not be a comment: a body -> appended to a file, within its
limit."""

from __future__ import annotations

from pathlib import Path
from typing import Final

from imgscan.errors import InputError

MAX_BYTES: Final = 1 << 20
"""GitHub refuses the whole summary of a step if it is larger."""


def append_summary(path: Path, body: str) -> bool:
    """Put the body, without its first line, at the end of the summary; False if it does not fit. Raises InputError."""
    data = ("\n" + body.split("\n", 1)[-1]).encode()
    try:
        size = path.stat().st_size if path.exists() else 0
        if size + len(data) > MAX_BYTES:
            return False
        with path.open("ab") as file:
            file.write(data)
    except OSError as error:
        raise InputError(
            f"the step's summary cannot be written: {error.strerror}", next_step="see GITHUB_STEP_SUMMARY"
        ) from error
    return True
