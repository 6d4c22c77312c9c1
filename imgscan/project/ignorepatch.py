"""Lines at the end of the ignore file, as a patch. In: the context, patterns. Out: a unified diff."""

from __future__ import annotations

from collections.abc import Sequence
from typing import TYPE_CHECKING, Final

from imgscan.diff import FileChange, line_end_of, unified_diff
from imgscan.project.contextread import ContextReader

if TYPE_CHECKING:
    from imgscan.dockerfile.context import BuildContext

_IGNORE_BYTES: Final = 4 << 20


def ignore_file_of(context: BuildContext) -> str:
    """The ignore file that counts, or the one that would."""
    return (context.rules.file if context.rules else None) or ".dockerignore"


def ignore_patch(context: BuildContext, patterns: Sequence[str]) -> str | None:
    """The patch that adds the patterns; the last match is the one that counts. None where the file cannot be read."""
    file = ignore_file_of(context)
    if context.rules is None:
        after = "".join(f"{pattern}\n" for pattern in patterns)
        return unified_diff((FileChange(path=file, before=None, after=after),))
    text = ContextReader(context).text_beside(file, _IGNORE_BYTES)
    if text is None:
        return None
    end = line_end_of(text)
    joint = "" if text.endswith("\n") or not text else end
    after = text + joint + "".join(f"{pattern}{end}" for pattern in patterns)
    return unified_diff((FileChange(path=file, before=text, after=after),))
