"""How to mend bytes that a layer ships and a later one takes away. In: the layers and the paths. Out: sentences.

A file that steps use has to be there for them: it can be mounted, but not left out.
"""

from __future__ import annotations

import posixpath
import re
from collections.abc import Iterator, Sequence

from imgscan.dockerfile.shellwords import simple_commands
from imgscan.escape import plain, shorten
from imgscan.model import LayerReport

_WIDTH = 60
_REMOVERS = frozenset({"rm", "unlink", "rmdir", "shred", "cd", "true"})


def is_move(layer: LayerReport, paths: Sequence[str]) -> bool:
    """Whether a step gives the files another name rather than to remove them."""
    names = {*paths, *map(posixpath.basename, paths)}
    for simple in simple_commands(_script(layer)):
        words = [word.rstrip("/") for word in simple.words]
        if words and posixpath.basename(words[0]) == "mv":
            return bool(names & {*words[1:], *map(posixpath.basename, words[1:])})
    return False


def moving_advice(layer: LayerReport) -> str:
    """For files that are only moved."""
    return (
        f"Bring the files to where they are to be at once{_where(layer)}: moving them in a later step ships them twice."
    )


def deletion_advice(layer: LayerReport, after: Sequence[LayerReport], paths: Sequence[str]) -> str:
    """For files that are removed; `after` are the layers up to the one that does it."""
    keyword, from_stage, sources = _copy_of(layer)
    if keyword not in ("COPY", "ADD"):
        return (
            f"Delete them in the same RUN that makes them{_where(layer)}, or make them in an earlier stage and copy "
            "the result."
        )
    user = next((step for step in after if any(_uses(step, path) for path in paths)), None)
    if user is not None:
        source = f"source={sources[0]}," if len(sources) == 1 else ""
        stage = f"from={from_stage}," if from_stage else ""
        mount = plain(shorten(f"RUN --mount=type=bind,{stage}{source}target={paths[0]} …", 2 * _WIDTH))
        line = f"line {user.dockerfile.line}" if user.dockerfile else "a later step"
        return f"Mount what {line} uses for that step, `{mount}`, instead of copying it{_where(layer)}."
    if from_stage:
        return f"Copy less{_where(layer)}; deleting files in a later step saves nothing."
    return (
        f"Exclude the files in .dockerignore, or copy less{_where(layer)}; deleting them later saves nothing. "
        "What a step needs can be mounted for it: `RUN --mount=type=bind`."
    )


def _copy_of(layer: LayerReport) -> tuple[str, str | None, list[str]]:
    """A COPY or ADD as its keyword, the stage it takes from, its sources."""
    keyword, _, rest = (layer.instruction or "").partition(" ")
    flags = [word for word in rest.split() if word.startswith("--")]
    words = [word for word in rest.split() if not word.startswith("--")]
    stage = next((flag.partition("=")[2] for flag in flags if flag.startswith("--from=")), None)
    return keyword.upper(), stage, words[:-1] if "[" not in rest and "<<" not in rest else []


def _uses(layer: LayerReport, path: str) -> bool:
    """Whether a step names a path, one below it or its folder for something else than to remove it."""
    for words in _used_words(layer):
        if any(re.search(rf"(?<![\w./-]){re.escape(path)}(?![\w.-])", word) for word in words):
            return True
    return False


def _used_words(layer: LayerReport) -> Iterator[tuple[str, ...]]:
    for simple in simple_commands(_script(layer)):
        if simple.words and posixpath.basename(simple.words[0]) not in _REMOVERS:
            yield simple.words


def _script(layer: LayerReport) -> str:
    keyword, _, rest = (layer.instruction or "").partition(" ")
    return rest if keyword.upper() == "RUN" else ""


def _where(layer: LayerReport) -> str:
    return f" (line {layer.dockerfile.line})" if layer.dockerfile else ""
