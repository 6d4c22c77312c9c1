"""The protocol of a measurement, with an engine that plays recordings."""

from __future__ import annotations

import os
import re
import signal
from collections.abc import Callable, Collection, Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import Any

import pytest
from streams import DOCKERFILE, recorded, trace, vertex

from imgscan.build.cleanup import Leftover, remove_cache, uninterrupted
from imgscan.build.estimate import Progress
from imgscan.build.measure import Measured, MeasurePlan, measure, with_unreported
from imgscan.build.reach import find_reach
from imgscan.build.request import Builder, BuildOptions
from imgscan.build.scenarios import SCENARIOS, choose_files
from imgscan.build.wire import RefusedBuild
from imgscan.dockerfile.context import read_context
from imgscan.dockerfile.parse import parse
from imgscan.enginerecords import CacheRecord, EngineInfo, ImageRecord
from imgscan.errors import EngineError, InputError
from imgscan.model import BuildTrace, Interval, Step

Script = Callable[[int, Mapping[str, str]], Iterator[dict[str, Any]]]


class Stream(Iterator[dict[str, Any]]):
    """A build stream that knows whether it was closed."""

    def __init__(self, records: Iterator[dict[str, Any]]) -> None:
        self._records = records
        self.closed = False

    def __next__(self) -> dict[str, Any]:
        return next(self._records)

    def close(self) -> None:
        self.closed = True


OVERLAY2 = EngineInfo(
    kind="docker", version="", api_version="", store="overlay2", cpus=1, platform="", root_dir="/nowhere"
)


@dataclass
class FakeEngine:
    """An engine whose builds are a script; it keeps tags and cache records, and lists what is removed."""

    script: Script
    builds: list[Mapping[str, str]] = field(default_factory=list)
    bodies: list[bytes] = field(default_factory=list)
    streams: list[Stream] = field(default_factory=list)
    there: dict[str, str] = field(default_factory=lambda: {"users:1": "sha256:users"})
    removed: list[str] = field(default_factory=list)
    records: list[CacheRecord] = field(default_factory=list)
    pruned: list[str] = field(default_factory=list)
    late: list[str] = field(default_factory=list)
    made_of: list[dict[str, Any]] = field(default_factory=list)
    info: EngineInfo = OVERLAY2

    def build(self, body: Iterator[bytes], params: Mapping[str, str], headers: Mapping[str, str]) -> Stream:
        self.bodies.append(b"".join(body))
        self.builds.append(params)
        self.there[params["t"]] = f"sha256:{len(self.builds)}"
        self.streams.append(Stream(self.script(len(self.builds) - 1, params)))
        return self.streams[-1]

    def inspect_image(self, ref: str) -> dict[str, Any]:
        if ref not in self.there:
            raise InputError(f"no image {ref}")
        return {"Id": self.there[ref]}

    def history(self, ref: str) -> list[dict[str, Any]]:
        return self.made_of

    def tags(self, prefix: str = "") -> dict[str, str]:
        if self.late:
            self.there[self.late.pop(0)] = "sha256:late"
        return {tag: image for tag, image in self.there.items() if tag.startswith(prefix)}

    def images(self) -> tuple[ImageRecord, ...]:
        return tuple(ImageRecord(id=image, parent="", tags=(tag,)) for tag, image in self.there.items())

    def image_ids(self) -> frozenset[str]:
        return frozenset(self.there.values())

    def container_ids(self) -> frozenset[str]:
        return frozenset()

    def remove_image(self, ref: str, *, force: bool = False, prune_parents: bool = True) -> bool:
        self.removed.append(ref)
        return self.there.pop(ref, None) is not None

    def cache_records(self) -> tuple[CacheRecord, ...]:
        return tuple(self.records)

    def prune_cache_records(self, record_ids: Collection[str]) -> int:
        self.pruned += record_ids
        self.records = [record for record in self.records if record.id not in record_ids]
        return len(record_ids)

    def registry_headers(self) -> dict[str, str]:
        return {}


NAMES = {
    "cold": "buildkit-cold",
    "noop": "buildkit-noop",
    "touch-source": "buildkit-src",
    "touch-lockfile": "buildkit-src",
}


def scenario_of(params: Mapping[str, str]) -> str:
    return params["t"].partition(":")[2].rpartition("-")[0]


def play(number: int, params: Mapping[str, str]) -> Iterator[dict[str, Any]]:
    return (record for _, record in recorded(NAMES.get(scenario_of(params), "buildkit-cold")))


@contextmanager
def measured(
    root: Path,
    engine: FakeEngine,
    *,
    clean: Callable[[str], str] = str,
    progress: list[Progress] | None = None,
    **plan: Any,
) -> Iterator[Measured]:
    (root / "Dockerfile").write_text(DOCKERFILE)
    (root / "lock.txt").write_text("lock\n")
    (root / "main.py").write_text("print()\n")
    (root / "poetry.lock").write_text("x = 1\n")
    context = read_context(root)
    dockerfile = parse(DOCKERFILE)
    choice = choose_files(context, find_reach(dockerfile, context, None, {}), read_changes=lambda root: {})
    options = BuildOptions(builder=Builder.BUILDKIT, build_args={})
    fields = {"context": context, "dockerfile": dockerfile, "options": options, "choice": choice, "repeats": 2}
    told = progress if progress is not None else []
    with measure(engine, MeasurePlan(**{**fields, **plan}), progress=told.append, clean=clean) as found:  # type: ignore[arg-type]
        yield found


def test_the_order_of_builds_and_what_each_is_given(tmp_path: Path) -> None:
    engine = FakeEngine(play)
    with measured(tmp_path, engine) as found:
        assert [timing.name for timing in found.timings] == list(SCENARIOS)
        assert engine.inspect_image(found.image or "")["Id"] == found.image_id
        kept = [tag for tag in engine.there if tag.startswith("imgscan-")]
        assert kept == [found.image]
    order = ["cold-1", "noop-1", "touch-source-1", "touch-lockfile-1", "touch-source-2", "touch-lockfile-2"]
    assert [params["t"].partition(":")[2] for params in engine.builds] == order
    assert [params.get("nocache") for params in engine.builds] == ["1", *[None] * 5]
    assert len({params["t"].partition(":")[0] for params in engine.builds}) == 1
    assert len({params["buildid"] for params in engine.builds}) == 6
    (host,) = {params["extrahosts"] for params in engine.builds}
    assert host == f"{engine.builds[0]['t'].partition(':')[0]}:127.0.0.1"
    touched = [body.count(b"# imgscan imgscan") for body in engine.bodies]
    assert touched == [0, 0, *[touched[2]] * 4]
    assert len({re.search(rb"# imgscan [\w-]+", body).group() for body in engine.bodies[2::2]}) == 2  # type: ignore[union-attr]
    assert engine.there == {"users:1": "sha256:users"}
    assert all(stream.closed for stream in engine.streams)


def test_timings_have_hits_and_the_instruction_to_blame(tmp_path: Path) -> None:
    with measured(tmp_path, FakeEngine(play)) as found:
        cold, noop, source, lockfile = found.timings
    assert (cold.steps_total, cold.steps_cached, cold.busted_by) == (6, 0, None)
    assert (noop.steps_cached, noop.busted_by) == (6, None)
    assert (source.touched, source.steps_cached, len(source.seconds)) == ("main.py", 3, 2)
    assert source.busted_by is not None
    assert (source.busted_by.line, source.busted_by.instruction) == (8, "COPY . .")
    assert lockfile.touched == "poetry.lock"
    assert found.warnings == ()
    assert found.skipped == ()


def test_a_failing_first_build_ends_the_measurement(tmp_path: Path) -> None:
    engine = FakeEngine(lambda number, params: (record for _, record in recorded("buildkit-copy-missing")))
    with measured(tmp_path, engine) as found:
        assert found.cold.failure is not None
        assert (found.timings, found.image, found.image_id) == ((), None, None)
    assert len(engine.builds) == 1


def test_a_refused_build_is_a_failed_build(tmp_path: Path) -> None:
    class Refusing(FakeEngine):
        def build(self, body: Iterator[bytes], params: Mapping[str, str], headers: Mapping[str, str]) -> Stream:
            raise RefusedBuild("no", cause="dockerfile parse error line 3: unknown instruction: RUNN")

    with measured(tmp_path, Refusing(play)) as found:
        assert found.cold.failure is not None
        assert found.cold.failure.line == 3


def test_a_build_without_image_and_without_error_is_a_failure(tmp_path: Path) -> None:
    class Forgetful(FakeEngine):
        def inspect_image(self, ref: str) -> dict[str, Any]:
            raise InputError("no image")

    with measured(tmp_path, Forgetful(play)) as found:
        assert found.cold.failure is not None
        assert "without an image" in found.cold.failure.message


def test_a_failing_rebuild_leaves_its_scenario_out(tmp_path: Path) -> None:
    def script(number: int, params: Mapping[str, str]) -> Iterator[dict[str, Any]]:
        if params["t"].endswith("touch-source-2"):
            return (record for _, record in recorded("buildkit-copy-missing"))
        return play(number, params)

    with measured(tmp_path, FakeEngine(script), repeats=3) as found:
        assert [timing.name for timing in found.timings] == ["cold", "noop", "touch-lockfile"]
        assert [skipped.where for skipped in found.skipped] == ["touch-source"]
        assert "not found" in found.skipped[0].reason


def test_a_noop_that_is_never_cached_is_told(tmp_path: Path) -> None:
    def script(number: int, params: Mapping[str, str]) -> Iterator[dict[str, Any]]:
        name = "buildkit-src" if scenario_of(params) == "noop" else "buildkit-cold"
        return (record for _, record in recorded(name))

    engine = FakeEngine(script)
    with measured(tmp_path, engine, scenarios=("cold", "noop")) as found:
        assert any("COPY . . (line 8)" in warning for warning in found.warnings)
    assert [scenario_of(params) for params in engine.builds] == ["cold", "noop", "noop"]


def test_without_scenarios_there_is_one_ordinary_build(tmp_path: Path) -> None:
    engine = FakeEngine(play)
    with measured(tmp_path, engine, scenarios=()) as found:
        assert found.timings == ()
        assert found.image is not None
    assert [(params.get("nocache"), params.get("extrahosts")) for params in engine.builds] == [(None, None)]


def test_progress_counts_steps_and_knows_the_rest(tmp_path: Path) -> None:
    told: list[Progress] = []
    with measured(tmp_path, FakeEngine(play), progress=told):
        pass
    assert [(p.scenario, p.repeat, p.repeats) for p in told if p.step is None] == [
        ("cold", 1, 1),
        ("noop", 1, 1),
        ("touch-source", 1, 2),
        ("touch-lockfile", 1, 2),
        ("touch-source", 2, 2),
        ("touch-lockfile", 2, 2),
    ]
    cold = [p for p in told if p.scenario == "cold"]
    assert {(p.seconds_left, p.steps_total) for p in cold} == {(None, None)}
    rest = [p for p in told if p.scenario != "cold"]
    assert all(p.seconds_left is not None and p.steps_total == 7 for p in rest)
    assert max(p.steps_done for p in told) == 7


def test_every_text_of_the_engine_is_cleaned(tmp_path: Path) -> None:
    told: list[Progress] = []
    with measured(
        tmp_path, FakeEngine(play), progress=told, clean=lambda text: text.replace("lock.txt", "***"), repeats=1
    ) as found:
        assert "lock.txt" not in repr(found)
    assert "lock.txt" not in repr(told)


def interrupting(number: int, params: Mapping[str, str]) -> Iterator[dict[str, Any]]:
    if number == 2:
        yield trace(vertices=[vertex("a", "[build 1/2] COPY . .", start=1.0)])
        raise KeyboardInterrupt
    yield from play(number, params)


def test_an_interrupt_removes_everything_also_what_comes_late(tmp_path: Path) -> None:
    engine = FakeEngine(interrupting)

    def go() -> None:
        with measured(tmp_path, engine):
            pytest.fail("there is nothing to give")

    def late(number: int, params: Mapping[str, str]) -> Iterator[dict[str, Any]]:
        if number == 2:
            engine.late = ["users:2", params["t"].replace("-1", "-1") + "-late"]
        return interrupting(number, params)

    engine.script = late
    with pytest.raises(KeyboardInterrupt):
        go()
    assert set(engine.there) == {"users:1", "users:2"}
    assert all(stream.closed for stream in engine.streams)


def test_an_error_of_the_caller_s_removes_everything(tmp_path: Path) -> None:
    engine = FakeEngine(play)

    def go() -> None:
        with measured(tmp_path, engine):
            raise ZeroDivisionError

    with pytest.raises(ZeroDivisionError):
        go()
    assert set(engine.there) == {"users:1"}


def test_an_engine_that_is_gone_is_told_once(tmp_path: Path) -> None:
    class Gone(FakeEngine):
        def tags(self, prefix: str = "") -> dict[str, str]:
            raise EngineError("gone while tidying")

    def script(number: int, params: Mapping[str, str]) -> Iterator[dict[str, Any]]:
        raise EngineError("went away while building")

    def go() -> None:
        with measured(tmp_path, Gone(script)):
            pytest.fail("there is nothing to give")

    with pytest.raises(EngineError, match="went away while building"):
        go()


def record(
    record_id: str, *, kind: str = "regular", what: str = "x", at: float = 5.0, in_use: bool = False
) -> CacheRecord:
    return CacheRecord(id=record_id, kind=kind, description=what, size_bytes=1, in_use=in_use, created_s=at)


def leftover(kind: str, pattern: str, start: float = 4.0, end: float = 6.0) -> Leftover:
    return Leftover(kind=kind, description=re.compile(pattern), interval=Interval(start_s=start, end_s=end))


@pytest.mark.parametrize(
    ("found", "covered"),
    [
        pytest.param(record("a", what="fileop target"), True, id="ours"),
        pytest.param(record("a", what="fileop target", at=9.0), False, id="another-time"),
        pytest.param(record("a", what="pulled from x"), False, id="another-thing"),
        pytest.param(record("a", kind="exec.cachemount", what="fileop target"), False, id="another-kind"),
    ],
)
def test_which_cache_records_are_garbage(found: CacheRecord, covered: bool) -> None:
    assert leftover("regular", "fileop target").covers(found) is covered


def test_cache_records_go_after_those_made_from_them() -> None:
    class Layered(FakeEngine):
        def prune_cache_records(self, record_ids: Collection[str]) -> int:
            if "parent" in record_ids and any(r.id == "child" for r in self.records):
                record_ids = {"child"}
            return super().prune_cache_records(record_ids)

    engine = Layered(
        play, records=[record("parent"), record("child"), record("used", in_use=True), record("other", at=99)]
    )
    assert remove_cache(engine, [leftover("regular", "x")]) == 2  # type: ignore[arg-type]
    assert [r.id for r in engine.records] == ["used", "other"]


def test_what_touched_builds_and_private_mounts_left_is_removed(tmp_path: Path) -> None:
    engine = FakeEngine(play)
    times = {}
    from streams import replay

    for name in ("buildkit-cold", "buildkit-src"):
        times[name] = {step.text: step.intervals[0].start_s for step in replay(name).steps()}
    engine.records = [
        record("before-any-run", what="fileop target", at=times["buildkit-cold"]["COPY lock.txt ./"]),
        record("coldcopy", what="fileop target", at=times["buildkit-cold"]["COPY . ."]),
        record("touchedcopy", what="fileop target", at=times["buildkit-src"]["COPY . ."]),
        record(
            "touchedrun",
            what="mount / from exec /bin/sh -c sleep 0.2; cat main.py > out.txt",
            at=times["buildkit-src"]["RUN sleep 0.2; cat main.py > out.txt"],
        ),
        record(
            "otherrun",
            what="mount / from exec /bin/sh -c make",
            at=times["buildkit-src"]["RUN sleep 0.2; cat main.py > out.txt"],
        ),
        record("othermount", kind="exec.cachemount", at=times["buildkit-src"]["COPY . ."]),
    ]
    with measured(tmp_path, engine, repeats=1):
        pass
    assert sorted(engine.pruned) == ["coldcopy", "touchedcopy", "touchedrun"]


@pytest.mark.parametrize("number", [signal.SIGINT, signal.SIGTERM, signal.SIGHUP])
def test_an_interrupt_waits_until_the_tidying_is_done(number: signal.Signals) -> None:
    done: list[str] = []
    before = signal.getsignal(number)

    def go() -> None:
        with uninterrupted():
            os.kill(os.getpid(), number)
            done.append("tidied")

    with pytest.raises(KeyboardInterrupt):
        go()
    assert done == ["tidied"]
    assert signal.getsignal(number) is before


def test_a_hang_up_that_is_ignored_stays_so() -> None:
    before = signal.signal(signal.SIGHUP, signal.SIG_IGN)
    try:
        with uninterrupted():
            os.kill(os.getpid(), signal.SIGHUP)
    finally:
        signal.signal(signal.SIGHUP, before)


def ran(ordinal: int, *, cached: bool, instruction: str = "RUN x") -> Step:
    return Step(stage="build", ordinal=ordinal, instruction=instruction, line=ordinal, cached=cached, seconds=1.0)


def trace_of(*steps: Step) -> BuildTrace:
    return BuildTrace(builder="buildkit", steps=steps, seconds=1.0, image_id="sha256:1")


def test_a_step_that_the_engine_is_silent_on_was_cached() -> None:
    cold = trace_of(ran(1, cached=False, instruction="FROM x"), ran(2, cached=False), ran(3, cached=False))
    again = with_unreported(trace_of(ran(3, cached=False)), cold)
    assert [(step.ordinal, step.cached, step.seconds) for step in again.steps] == [(3, False, 1.0), (2, True, 0.0)]
    assert with_unreported(cold, cold) == cold


def test_the_same_step_of_two_stages_is_counted_once_in_every_build() -> None:
    workdir = ran(2, cached=True, instruction="WORKDIR /app")
    first, second = replace(workdir, stage="deps", line=2), replace(workdir, stage="1", line=8)
    copied = ran(3, cached=False, instruction="COPY . .")
    cold = trace_of(copied, second)
    again = with_unreported(trace_of(first, replace(copied, cached=True)), cold)
    assert [(step.stage, step.line, step.cached) for step in again.steps] == [("1", 8, True), ("build", 3, True)]
    both = trace_of(first, second, copied)
    assert len(with_unreported(both, both).steps) == 3
