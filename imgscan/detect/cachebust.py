"""What makes a rebuild do more than the edit needs, or less: wrong order, volatile values, noise, mounts, modes, void
ignore lines, results kept for ever.

In: the Dockerfile, the context, what is built and, where rebuilds were measured, their timings. Out: findings of the
family `cache-`. Everything follows from the simulated stages, by the rules of the builder: BuildKit and the classic
builder differ in what busts what.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from typing import TYPE_CHECKING

from imgscan.detect.cache.ignorelines import detect_ignore_lines
from imgscan.detect.cache.modes import detect_modes
from imgscan.detect.cache.mounts import detect_mounts
from imgscan.detect.cache.network import detect_network
from imgscan.detect.cache.noise import detect_noise
from imgscan.detect.cache.order import detect_order
from imgscan.detect.cache.unusedmounts import detect_unused_mounts
from imgscan.detect.cache.volatile import detect_volatile
from imgscan.detect.stages.stagesim import simulate
from imgscan.model import Finding, Timing

if TYPE_CHECKING:
    from imgscan.dockerfile.context import BuildContext
    from imgscan.dockerfile.parse import Dockerfile


def detect(
    dockerfile: Dockerfile,
    context: BuildContext,
    *,
    target: str | None,
    build_args: Mapping[str, str],
    builder: str = "buildkit",
    timings: tuple[Timing, ...] = (),
    store: str | None = None,
) -> Iterator[Finding]:
    """The findings. `builder` is `buildkit` (buildx is the same), `classic` or `podman`; `store` is the engine's.

    Raises InputError for a target that does not exist.
    """
    simulation = simulate(dockerfile, context, target=target, build_args=build_args)
    yield from detect_order(simulation, timings, builder)
    yield from detect_volatile(simulation, build_args, builder, timings)
    ignore_file = (context.rules.file or ".dockerignore") if context.rules else None
    yield from detect_noise(simulation, builder, ignore_file=ignore_file)
    yield from detect_mounts(simulation, builder, store)
    if builder != "classic":
        yield from detect_unused_mounts(simulation)
    yield from detect_network(simulation)
    yield from detect_modes(context, simulation)
    yield from detect_ignore_lines(context, simulation.index.paths)
