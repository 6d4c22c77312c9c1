"""The cache model against a real engine: random builds, a random change of each, what is predicted and what happens.

`IMGSCAN_CACHE_PAIRS` says how many pairs a builder gets (25), `IMGSCAN_CACHE_SEED` where the random numbers begin,
`IMGSCAN_CACHE_SEEDS` which single ones are wanted (`3000046,3000047`). `IMGSCAN_CACHE_RECORD` is a file to which each
pair is added when it is known: see `cacherecords.py`, which asks the model again about what was seen.
"""

from __future__ import annotations

import logging
import os
import uuid
from collections.abc import Iterator
from contextlib import closing, nullcontext, suppress
from pathlib import Path

import pytest
from cachepairs import Project
from cacherecords import Draw, Pair, observed, record_line
from engines import BASE, busybox_rootfs, ensure_base

from imgscan.build.builder import Workshop
from imgscan.build.cachemodel.inputs import read_base
from imgscan.build.cachemodel.records import CacheBuilder, Inputs
from imgscan.build.cleanup import Leftover, find_leftovers, remove_cache, tidy_up
from imgscan.build.request import Builder, BuildOptions
from imgscan.build.steps import RawStep
from imgscan.dockerfile.context import BuildContext
from imgscan.engine import Engine
from imgscan.errors import EngineError, InputError

pytestmark = pytest.mark.engine
LOG = logging.getLogger(__name__)

PAIRS = int(os.environ.get("IMGSCAN_CACHE_PAIRS", "25"))
SEED = int(os.environ.get("IMGSCAN_CACHE_SEED", "1"))
SEEDS = [int(seed) for seed in os.environ.get("IMGSCAN_CACHE_SEEDS", "").split(",") if seed]
RECORD = os.environ.get("IMGSCAN_CACHE_RECORD", "")
MANY_LEFTOVERS = 2500
OTHER = "imgscan-fixture-cachemodel"
# The share of steps of which the model may say that nobody can know.
MOST_UNKNOWN = 0.1
AGREEMENT = 0.99


@pytest.fixture(scope="module")
def bases(engine: Engine) -> Iterator[tuple[str, ...]]:
    """A base image, one of the same files with another configuration, and one with a trigger."""
    ensure_base(engine)
    made = []
    run = uuid.uuid4().hex[:8]
    for tag, change in (("env", "ENV E=base"), ("folder", "WORKDIR /based"), ("trigger", "ONBUILD COPY b.txt /trig")):
        engine.api.import_image_from_data(busybox_rootfs(), repository=OTHER, tag=f"{tag}-{run}", changes=[change])
        made.append(f"{OTHER}:{tag}-{run}")
    yield (BASE, *made)
    for name in made:
        engine.remove_image(name, force=True)


def store_merges(engine: Engine) -> bool:
    """Whether the engine's store lays layers on each other: containerd's."""
    return any("io.containerd.snapshotter" in str(pair) for pair in engine.api.info().get("DriverStatus") or ())


def engine_version(engine: Engine) -> tuple[int, int]:
    major, minor = engine.api.version()["Version"].split(".")[:2]
    return int(major), int(minor)


class Bench:
    """Builds pairs. `known` are the base images; `leftovers` is what BuildKit keeps of the builds, removed now and then:
    one pair at a time would take longer than the builds."""

    def __init__(self, engine: Engine, builder: CacheBuilder, names: tuple[str, ...]) -> None:
        self.engine, self.builder = engine, builder
        self.known = {name: read_base(engine.inspect_image(name)) for name in names}
        self.leftovers: list[Leftover] = []

    def draw(self, seed: int) -> Draw:
        return Draw(seed=seed, nonce=uuid.uuid4().hex[:12], builder=self.builder, bases=self.known)

    def pair(self, draw: Draw, root: Path) -> tuple[Pair | None, tuple[RawStep, ...]]:
        """One pair, None where one of the two builds does not work; with what the engine says of the second."""
        project, changed, what = draw.projects()
        before_images = self.engine.image_ids()
        workshops = []
        try:
            try:
                before, context = draw.inputs(project, root)
                workshops.append(self._workshop(project, before, context))
                if workshops[0].build("one").trace.failure:
                    return None, ()
                after, context = draw.inputs(changed, root)
                workshops.append(self._workshop(changed, after, context))
            except InputError:
                return None, ()
            made = workshops[1].build("two")
            if made.trace.failure:
                return None, ()
        finally:
            for workshop in workshops:
                self._tidy_up(workshop, before_images)
        found = Pair(
            what=f"seed {draw.seed}: {what}",
            predicted=draw.predicted(before, after),
            observed=observed(made.trace.steps),
            dockerfiles=(project.dockerfile(), changed.dockerfile()),
        )
        return found, made.raw

    def _workshop(self, project: Project, inputs: Inputs, context: BuildContext) -> Workshop:
        options = BuildOptions(
            builder=self.builder.kind, build_args=project.build_args, network="none", target=project.target
        )
        dockerfile = inputs.dockerfile
        return Workshop(
            engine=self.engine, context=context, dockerfile=dockerfile, options=options, run_id=project.nonce
        )

    def _tidy_up(self, workshop: Workshop, before_images: frozenset[str]) -> None:
        if self.builder.kind is Builder.BUILDKIT:
            for made in workshop.made:
                workshop.remove(made)
            self.leftovers += find_leftovers(workshop)
        else:
            tidy_up(workshop, before_images, interrupted=False)
        if len(self.leftovers) > MANY_LEFTOVERS:
            self.close()

    def close(self) -> None:
        """Remove what the builds left."""
        with suppress(EngineError):
            remove_cache(self.engine, self.leftovers)
        self.leftovers = []


def drawn_seeds() -> Iterator[int]:
    """The seeds that are asked for by name, else as many as it takes."""
    if SEEDS:
        yield from SEEDS
        return
    yield from range(SEED * 1_000_000, SEED * 1_000_000 + 4 * PAIRS)


def build_pairs(bench: Bench, root: Path) -> list[Pair]:
    """As many pairs as are wanted; each is told in the record as soon as it is known."""
    pairs: list[Pair] = []
    with Path(RECORD).open("a", buffering=1) if RECORD else nullcontext() as record:
        for seed in drawn_seeds():
            draw = bench.draw(seed)
            found, raw = bench.pair(draw, root)
            if record:
                record.write(record_line(draw, found, raw))
            if found is None:
                continue
            pairs.append(found)
            if found.wrong():
                LOG.info("\n".join((found.what, *found.wrong(), *found.dockerfiles)))
            if len(pairs) >= PAIRS:
                break
    assert len(pairs) >= min(PAIRS, len(SEEDS) or PAIRS), "most builds fail"
    return pairs


@pytest.mark.parametrize("kind", [Builder.BUILDKIT, Builder.CLASSIC])
def test_predicted_is_observed(engine: Engine, bases: tuple[str, ...], tmp_path: Path, kind: Builder) -> None:
    builder = CacheBuilder(kind=kind, version=engine_version(engine), merges=store_merges(engine))
    with closing(Bench(engine, builder, bases)) as bench:
        pairs = build_pairs(bench, tmp_path / "context")
    wrong = [pair for pair in pairs if pair.wrong()]
    steps = sum(len(pair.predicted) for pair in pairs)
    unknown = sum(pair.unknown() for pair in pairs)
    LOG.info("%s: %d pairs, %d steps, %d unknown, %d wrong", kind, len(pairs), steps, unknown, len(wrong))
    assert len(wrong) <= len(pairs) * (1 - AGREEMENT), [(pair.what, pair.wrong()) for pair in wrong]
    assert unknown <= steps * MOST_UNKNOWN
