"""What engines did with random pairs of builds, one JSON line a pair: written as a run goes on, and read to ask the
cache model again without an engine (`PYTHONPATH=.:tests python -m cacherecords FILE...`).

A line has the seed, the nonce and the base images, from which `cachepairs` makes the very same two projects again.
"""

from __future__ import annotations

import json
import random
import sys
import tempfile
from collections import Counter
from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import asdict, dataclass, replace
from pathlib import Path
from typing import Any

from cachepairs import Project, change_project, make_project

from imgscan.build.cachemodel.inputs import context_files, hash_files
from imgscan.build.cachemodel.predict import predict
from imgscan.build.cachemodel.records import BaseImage, CacheBuilder, Inputs, Outcome, StepPrediction
from imgscan.build.lines import BuildSettings, is_from, make_steps
from imgscan.build.request import Builder
from imgscan.build.steps import RawStep
from imgscan.dockerfile.context import BuildContext, read_context
from imgscan.dockerfile.parse import parse
from imgscan.model import Step

Key = tuple[str, int]


@dataclass(frozen=True)
class Pair:
    """What was predicted and what happened, by stage and number; None in `observed`: the step was not reported."""

    what: str
    predicted: Mapping[Key, StepPrediction]
    observed: Mapping[Key, bool]
    dockerfiles: tuple[str, str]

    def wrong(self) -> list[str]:
        """The steps where they differ. Of equal steps the builder reports one, under any of their names."""
        found = [
            f"{key}: not predicted, observed {self.observed[key]}" for key in self.observed.keys() - self.predicted
        ]
        groups: dict[tuple[int, int], list[Key]] = {}
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

    def unknown(self) -> int:
        """Of how many steps the model says that nobody can know."""
        return sum(step.outcome is Outcome.UNKNOWN for step in self.predicted.values())


@dataclass(frozen=True)
class Draw:
    """What a pair is made from: the same draw is the same pair, on any machine."""

    seed: int
    nonce: str
    builder: CacheBuilder
    bases: Mapping[str, BaseImage]

    def projects(self) -> tuple[Project, Project, str]:
        """The project, the changed one, and what the change was."""
        rng = random.Random(self.seed)
        project = make_project(rng, self.nonce, features(self.builder), tuple(self.bases))
        changed, what = change_project(rng, project)
        return project, changed, what

    def inputs(self, project: Project, root: Path) -> tuple[Inputs, BuildContext]:
        """What the model is fed with. It raises InputError where the project is no build."""
        project.write(root)
        context = read_context(root)
        files = context_files(context, hash_files(context), archive=True)
        build_args = {"BUILDKIT_CACHE_MOUNT_NS": f"imgscan-{project.nonce}", **project.build_args}
        made = Inputs(
            dockerfile=parse(context.dockerfile_text),
            files=files,
            build_args=build_args,
            target=project.target,
            bases=self.bases,
        )
        return made, context

    def predicted(self, before: Inputs, after: Inputs) -> dict[Key, StepPrediction]:
        """The model's answer, by stage and number."""
        steps = predict(before, after, self.builder)
        return {(after.dockerfile.stages[step.stage].name or str(step.stage), step.ordinal): step for step in steps}


def features(builder: CacheBuilder) -> frozenset[str]:
    """What a builder understands, as `cachepairs` names it."""
    if builder.kind is not Builder.BUILDKIT:
        return frozenset()
    new = {"heredoc", "link", "exclude"} if builder.version >= (28, 0) else set()
    return frozenset({"chmod", "mount", *new})


def record_line(draw: Draw, pair: Pair | None, raw: Sequence[RawStep]) -> str:
    """A pair for the file, None if one of the two builds does not work; `raw` is what the engine says of the second."""
    made: dict[str, Any] = {
        "seed": draw.seed,
        "nonce": draw.nonce,
        "builder": asdict(draw.builder),
        "bases": {name: asdict(base) for name, base in draw.bases.items()},
    }
    if pair is not None:
        made |= {
            "what": pair.what,
            "steps": len(pair.predicted),
            "unknown": pair.unknown(),
            "wrong": pair.wrong(),
            "raw": [
                {
                    "stage": s.stage,
                    "ordinal": s.ordinal,
                    "total": s.total,
                    "text": s.text,
                    "cached": s.cached,
                    "ran": s.ran,
                }
                for s in raw
            ],
        }
    return json.dumps(made) + "\n"


def read_line(line: str) -> tuple[Draw, list[RawStep] | None]:
    """The other way round: what was drawn, and what the engine did."""
    made = json.loads(line)
    builder = made["builder"]
    builder = CacheBuilder(**{**builder, "kind": Builder(builder["kind"]), "version": tuple(builder["version"])})
    bases = {name: _base(fields) for name, fields in made["bases"].items()}
    draw = Draw(seed=made["seed"], nonce=made["nonce"], builder=builder, bases=bases)
    raw = made.get("raw")
    return draw, None if raw is None else [RawStep(platform="", **fields) for fields in raw]


def observed(steps: Iterable[Step]) -> dict[Key, bool]:
    """Whether the engine took a step from the cache, by stage and number."""
    return {(step.stage, step.ordinal): step.cached for step in steps if not is_from(step)}


def _base(fields: Mapping[str, Any]) -> BaseImage:
    base = BaseImage(**fields)
    env = tuple((name, value) for name, value in base.env)
    return replace(base, env=env, shell=tuple(base.shell), triggers=tuple(base.triggers))


def ask_again(lines: Iterable[str], root: Path) -> Iterator[Pair]:
    """The pairs of a file as the model sees them now."""
    for line in lines:
        draw, raw = read_line(line)
        if raw is None:
            continue
        project, changed, what = draw.projects()
        before, _ = draw.inputs(project, root)
        after, _ = draw.inputs(changed, root)
        settings = BuildSettings(target=changed.target, build_args=changed.build_args)
        yield Pair(
            what=f"seed {draw.seed}: {what}",
            predicted=draw.predicted(before, after),
            observed=observed(make_steps(draw.builder.kind, raw, after.dockerfile, settings, str)),
            dockerfiles=(project.dockerfile(), changed.dockerfile()),
        )


def main(names: list[str]) -> None:
    """Print how the model does on the pairs of these files, and every pair on which it is wrong."""
    for name in names:
        count: Counter[str] = Counter()
        with tempfile.TemporaryDirectory() as folder, Path(name).open() as lines:
            for pair in ask_again(lines, Path(folder) / "context"):
                wrong = pair.wrong()
                count.update(pairs=1, steps=len(pair.predicted), unknown=pair.unknown())
                count.update(wrong=bool(wrong), wrong_steps=len(wrong))
                if wrong:
                    sys.stdout.write("\n".join((pair.what, *wrong, *pair.dockerfiles)))
        sys.stdout.write(f"{name} {dict(count)}\n")


if __name__ == "__main__":
    main(sys.argv[1:])
