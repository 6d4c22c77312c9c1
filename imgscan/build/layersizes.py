"""The image's history as the engine tells it + the steps of its build -> how many bytes each step added. Pure.

Both are walked from the newest end: a step of the target's chain of stages belongs to the next history entry of its
kind, until the two do not fit. History: Docker Engine API v1.41, `ImageHistory`.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import replace
from typing import Any, Final

from imgscan.build.lines import is_from
from imgscan.dockerfile.parse import Dockerfile
from imgscan.dockerfile.stages import parent_stages, target_stage
from imgscan.lazyre import lazy_re
from imgscan.model import Step

_MADE: Final = lazy_re(r"(RUN|COPY|ADD|WORKDIR)\b")


def with_layer_sizes(
    steps: Sequence[Step],
    history: Sequence[Mapping[str, Any]],
    dockerfile: Dockerfile,
    target: str | None,
    build_args: Mapping[str, str],
) -> tuple[Step, ...]:
    """The steps of a BuildKit build, with `layer_bytes` where they made layers of the image. Newest entry first."""
    sizes: dict[int, int] = {}
    entries = _entries(history)
    for at in _chain(steps, dockerfile, target, build_args):
        keyword = steps[at].instruction.split(None, 1)[0].upper()
        entry = next(entries, None)
        # A WORKDIR that comes out at `/` stands in the history, but is no step.
        while entry is not None and entry[0] == "WORKDIR" != keyword:
            entry = next(entries, None)
        if entry is None or entry[0] != keyword:
            break
        sizes[at] = entry[1]
    return tuple(replace(step, layer_bytes=sizes.get(at)) for at, step in enumerate(steps))


def _chain(
    steps: Sequence[Step], dockerfile: Dockerfile, target: str | None, build_args: Mapping[str, str]
) -> Iterator[int]:
    """The steps of the target's stage, then of the one it is FROM, and so on, each from its end."""
    parents = parent_stages(dockerfile, build_args)
    stage = target_stage(dockerfile, target)
    while True:
        label = stage.name or str(stage.index)
        own = [at for at, step in enumerate(steps) if step.stage == label and not is_from(step)]
        yield from sorted(own, key=lambda at: -steps[at].ordinal)
        parent = parents[stage.index]
        if parent is None:
            return
        stage = parent


def _entries(history: Sequence[Mapping[str, Any]]) -> Iterator[tuple[str, int]]:
    """Keyword and bytes of the entries that can have a layer."""
    for entry in history:
        made = _MADE.match(str(entry.get("CreatedBy") or ""))
        size = entry.get("Size")
        if made:
            yield made[1], size if isinstance(size, int) and size > 0 else 0
