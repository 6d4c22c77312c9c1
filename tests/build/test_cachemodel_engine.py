"""The cache model against a real engine: random builds, a random change of each, what is predicted and what happens.

`IMGSCAN_CACHE_PAIRS` says how many pairs a builder gets (25), `IMGSCAN_CACHE_SEED` where the random numbers begin; with `-o log_cli=1 -o log_cli_level=INFO` those that differ
are shown at once.
"""

from __future__ import annotations

import logging
import os
import random
import uuid
from collections.abc import Iterator, Mapping
from contextlib import closing, suppress
from dataclasses import dataclass
from pathlib import Path

import pytest
from cachepairs import Project, change_project, make_project
from engines import BASE, busybox_rootfs, ensure_base

from imgscan.build.builder import Made, Workshop
from imgscan.build.cachemodel.inputs import context_files, hash_files, read_base
from imgscan.build.cachemodel.predict import predict
from imgscan.build.cachemodel.records import CacheBuilder, Inputs, Outcome, StepPrediction
from imgscan.build.cleanup import Leftover, find_leftovers, remove_cache, tidy_up
from imgscan.build.lines import is_from
from imgscan.build.request import Builder, BuildOptions
from imgscan.dockerfile.context import read_context
from imgscan.dockerfile.parse import parse
from imgscan.engine import Engine
from imgscan.errors import EngineError, InputError

pytestmark = pytest.mark.engine
LOG = logging.getLogger(__name__)

PAIRS = int(os.environ.get("IMGSCAN_CACHE_PAIRS", "25"))
SEED = int(os.environ.get("IMGSCAN_CACHE_SEED", "1"))
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


@dataclass(frozen=True)
class Pair:
    """What was predicted and what happened, by stage and number; None in `observed`: the step was not reported."""

    what: str
    predicted: Mapping[tuple[str, int], StepPrediction]
    observed: Mapping[tuple[str, int], bool]
    dockerfiles: tuple[str, str]

    def wrong(self) -> list[str]:
        """The steps where they differ. Of equal steps the builder reports one, under any of their names."""
        found = [
            f"{key}: not predicted, observed {self.observed[key]}" for key in self.observed.keys() - self.predicted
        ]
        groups: dict[tuple[int, int], list[tuple[str, int]]] = {}
        for key, step in self.predicted.items():
            groups.setdefault(step.same_as or (step.stage, step.ordinal), []).append(key)
        for keys in groups.values():
            seen = [key for key in keys if key in self.observed]
            if not seen:
                found.append(f"{keys}: predicted {self.predicted[keys[0]].outcome}, not observed")
            for key in seen:
                step, hit = self.predicted[key], self.observed[key]
                if step.outcome is not Outcome.UNKNOWN and (step.outcome is Outcome.HIT) != hit:
                    found.append(f"{key} {step.instruction.text}: {step.outcome} ({step.reason}), observed {hit}")
        return found


def store_merges(engine: Engine) -> bool:
    """Whether the engine's store lays layers on each other: containerd's."""
    return any("io.containerd.snapshotter" in str(pair) for pair in engine.api.info().get("DriverStatus") or ())


def engine_version(engine: Engine) -> tuple[int, int]:
    major, minor = engine.api.version()["Version"].split(".")[:2]
    return int(major), int(minor)


def features(builder: CacheBuilder) -> frozenset[str]:
    if builder.kind is not Builder.BUILDKIT:
        return frozenset()
    new = {"heredoc", "link", "exclude"} if builder.version >= (28, 0) else set()
    return frozenset({"chmod", "mount", *new})


class Bench:
    """Builds pairs. `known` are the base images; `leftovers` is what BuildKit keeps of the builds, removed at the end:
    one pair at a time would take longer than the builds."""

    def __init__(self, engine: Engine, builder: CacheBuilder, names: tuple[str, ...]) -> None:
        self.engine, self.builder, self.names = engine, builder, names
        self.known = {name: read_base(engine.inspect_image(name)) for name in names}
        self.leftovers: list[Leftover] = []

    def inputs(self, project: Project, root: Path) -> tuple[Inputs, Workshop]:
        project.write(root)
        context = read_context(root)
        dockerfile = parse(context.dockerfile_text)
        options = BuildOptions(
            builder=self.builder.kind, build_args=project.build_args, network="none", target=project.target
        )
        workshop = Workshop(
            engine=self.engine, context=context, dockerfile=dockerfile, options=options, run_id=project.nonce
        )
        files = context_files(context, hash_files(context), archive=True)
        build_args = {"BUILDKIT_CACHE_MOUNT_NS": workshop.repository, **project.build_args}
        bases = {**self.known}
        made = Inputs(dockerfile=dockerfile, files=files, build_args=build_args, target=project.target, bases=bases)
        return made, workshop

    def pair(self, seed: int, root: Path) -> Pair | None:
        """One pair; None where one of the two builds does not work."""
        rng = random.Random(seed)
        nonce = uuid.uuid4().hex[:12]
        project = make_project(rng, nonce, features(self.builder), self.names)
        changed, what = change_project(rng, project)
        before_images = self.engine.image_ids()
        workshops = []
        try:
            try:
                before, workshop = self.inputs(project, root)
                workshops.append(workshop)
                if workshop.build("one").trace.failure:
                    return None
                after, workshop = self.inputs(changed, root)
                workshops.append(workshop)
            except InputError:
                return None
            made = workshop.build("two")
            if made.trace.failure:
                return None
        finally:
            for workshop in workshops:
                self._tidy_up(workshop, before_images)
        return Pair(
            what=f"seed {seed}: {what}",
            predicted=self.predicted(before, after),
            observed=observed(made),
            dockerfiles=(project.dockerfile(), changed.dockerfile()),
        )

    def _tidy_up(self, workshop: Workshop, before_images: frozenset[str]) -> None:
        if self.builder.kind is Builder.BUILDKIT:
            for made in workshop.made:
                workshop.remove(made)
            self.leftovers += find_leftovers(workshop)
        else:
            tidy_up(workshop, before_images, interrupted=False)

    def close(self) -> None:
        """Remove what the builds left."""
        with suppress(EngineError):
            remove_cache(self.engine, self.leftovers)

    def predicted(self, before: Inputs, after: Inputs) -> dict[tuple[str, int], StepPrediction]:
        steps = predict(before, after, self.builder)
        return {(after.dockerfile.stages[step.stage].name or str(step.stage), step.ordinal): step for step in steps}


def observed(made: Made) -> dict[tuple[str, int], bool]:
    return {(step.stage, step.ordinal): step.cached for step in made.trace.steps if not is_from(step)}


def build_pairs(bench: Bench, root: Path) -> tuple[list[Pair], int]:
    """As many pairs as are wanted, and the seed they ended with."""
    pairs: list[Pair] = []
    seed = SEED * 1_000_000
    while len(pairs) < PAIRS:
        assert seed < SEED * 1_000_000 + 4 * PAIRS, "most builds fail"
        found = bench.pair(seed, root)
        seed += 1
        if found is not None:
            pairs.append(found)
            if found.wrong():
                LOG.info("\n".join((found.what, *found.wrong(), *found.dockerfiles)))
    return pairs, seed


@pytest.mark.parametrize("kind", [Builder.BUILDKIT, Builder.CLASSIC])
def test_predicted_is_observed(engine: Engine, bases: tuple[str, ...], tmp_path: Path, kind: Builder) -> None:
    builder = CacheBuilder(kind=kind, version=engine_version(engine), merges=store_merges(engine))
    with closing(Bench(engine, builder, bases)) as bench:
        pairs, seed = build_pairs(bench, tmp_path / "context")
    wrong = [pair for pair in pairs if pair.wrong()]
    steps = [step for pair in pairs for step in pair.predicted.values()]
    unknown = sum(step.outcome is Outcome.UNKNOWN for step in steps)
    LOG.info(
        "%s: %d pairs (seeds to %d), %d steps, %d unknown, %d wrong", kind, PAIRS, seed, len(steps), unknown, len(wrong)
    )
    assert len(wrong) <= len(pairs) * (1 - AGREEMENT), [(pair.what, pair.wrong()) for pair in wrong]
    assert unknown <= len(steps) * MOST_UNKNOWN
