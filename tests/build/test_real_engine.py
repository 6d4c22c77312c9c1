"""Against a real engine: what is cached, what fails, what is left behind."""

from __future__ import annotations

import itertools
import os
import signal
import subprocess
import sys
import threading
import time
from collections.abc import Iterator, Mapping
from contextlib import closing
from dataclasses import dataclass, replace
from pathlib import Path

import pytest
from engines import BASE, PrivateEngine, ensure_base, private_engine

from imgscan.build.builder import Made, Workshop
from imgscan.build.cleanup import tidied, tidy_up
from imgscan.build.forecast import costs_of, predict
from imgscan.build.measure import Measured, MeasurePlan, measure
from imgscan.build.metrics import cache_metrics
from imgscan.build.reach import find_reach
from imgscan.build.request import Builder, BuildOptions, choose_builder
from imgscan.build.rerun import steps_rerun
from imgscan.build.scenarios import ALL_SCENARIOS, Touch, Wishes, choose_files, choose_touches
from imgscan.dockerfile.context import read_context
from imgscan.dockerfile.parse import parse
from imgscan.engine import Engine
from imgscan.errors import EngineError, InputError

pytestmark = pytest.mark.engine

TWO_STAGES = f"""FROM {BASE} AS build
WORKDIR /app
COPY requirements.txt ./
RUN cp requirements.txt installed
COPY . .
RUN --mount=type=cache,target=/cache cat src/main.py > out; echo x >> /cache/log
FROM {BASE}
COPY --from=build /app/out /out
CMD ["cat", "/out"]
"""
COPY_FIRST = f"""FROM {BASE}
COPY . /app
RUN pip() {{ cat /app/requirements.txt > /installed; sleep 0.3; }}; pip install -r /app/requirements.txt
"""


@pytest.fixture(scope="module")
def engine() -> Iterator[Engine]:
    with Engine.connect() as connected:
        ensure_base(connected)
        yield connected


@pytest.fixture
def project(tmp_path: Path) -> Path:
    (tmp_path / "src").mkdir()
    (tmp_path / "src" / "main.py").write_text("print()\n")
    (tmp_path / "requirements.txt").write_text("flask==3.0\n")
    return tmp_path


@dataclass(frozen=True)
class Left:
    """What an engine holds; what is compared before and after. Other runs of imgscan on the same engine do not count."""

    images: frozenset[str]
    containers: frozenset[str]

    @classmethod
    def of(cls, engine: Engine) -> Left:
        return cls(engine.image_ids(), engine.container_ids())


def write(project: Path, dockerfile: str) -> None:
    (project / "Dockerfile").write_text(dockerfile)


def plan(project: Path, builder: Builder, repeats: int = 1) -> MeasurePlan:
    context = read_context(project)
    dockerfile = parse(context.dockerfile_text)
    choice = choose_files(context, find_reach(dockerfile, context, None, {}), read_changes=lambda root: {})
    options = BuildOptions(builder=builder, build_args={}, network="none")
    return MeasurePlan(context=context, dockerfile=dockerfile, options=options, choice=choice, repeats=repeats)


def misses(measured: Measured) -> Mapping[str, list[int | None]]:
    return {
        timing.name: [s.line for s in timing.steps if not s.cached and not s.instruction.startswith("FROM")]
        for timing in measured.timings
    }


def test_rebuilds_of_two_stages(engine: Engine, project: Path) -> None:
    write(project, TWO_STAGES)
    before = {record.id for record in engine.cache_records()}
    with measure(engine, plan(project, Builder.BUILDKIT, repeats=2)) as measured:
        assert measured.cold.failure is None
        assert measured.image_id == engine.inspect_image(measured.image or "")["Id"]
        found = misses(measured)
        tag = measured.image or ""
    assert found["noop"] == []
    assert found["touch-source"] == [5, 6, 8]
    assert found["touch-lockfile"] == [3, 4, 5, 6]
    source, lockfile = measured.timings[2], measured.timings[3]
    assert (source.touched, lockfile.touched) == ("src/main.py", "requirements.txt")
    assert source.busted_by is not None
    assert lockfile.busted_by is not None
    assert (source.busted_by.line, lockfile.busted_by.line) == (5, 3)
    assert (source.steps_total, source.steps_cached) == (6, 3)
    assert engine.tags(tag.partition(":")[0]) == {}
    mounts = [r for r in engine.cache_records() if r.id not in before and "/cache/log" in r.description]
    assert [record for record in mounts if record.kind == "exec.cachemount"] == []
    assert (project / "src" / "main.py").read_text() == "print()\n"


EVERYTHING = f"""FROM {BASE}
WORKDIR /app
COPY package.json ./
RUN --mount=type=cache,target=/cache test -e /cache/x || sleep 5; touch /cache/x; head -c 2000000 /dev/zero > big
COPY src src
COPY README.md Dockerfile docs/
ARG GIT_SHA=none
RUN echo $GIT_SHA > built
"""


def test_every_scenario_re_runs_what_it_must_and_what_was_predicted(engine: Engine, project: Path) -> None:
    write(project, EVERYTHING)
    (project / "package.json").write_text('{"scripts": {"build": "true"}}\n')
    (project / "README.md").write_text("# About\n")
    made = plan(project, Builder.BUILDKIT)
    assert made.dockerfile is not None
    reach = find_reach(made.dockerfile, made.context, None, {})
    wishes = Wishes(scenarios=ALL_SCENARIOS)
    choice = choose_touches(made.context, made.dockerfile, reach, wishes, lambda root: {})
    with measure(engine, replace(made, choice=choice, scenarios=ALL_SCENARIOS)) as measured:
        # A WORKDIR in front is the same for every build on that base: the engine shares it with one that runs just now.
        found = {name: [line for line in lines if line != 2] for name, lines in misses(measured).items()}
    assert found == {
        "cold": [3, 4, 5, 6, 8],
        "noop": [],
        "touch-source": [5, 6, 8],
        "touch-manifest": [3, 4, 5, 6, 8],
        "touch-unrelated": [6, 8],
        "dockerfile-comment": [6, 8],
        "build-arg": [8],
        "rerun-all": [4, 5, 6, 8],
    }
    assert [skipped.where for skipped in measured.skipped] == ["touch-lockfile"]
    timings = {timing.name: timing for timing in measured.timings}
    predicted = {
        name: predict(costs_of(measured.timings), steps_rerun(made.context, reach, [touch.path]), name=name, touched=())
        for name, touch in choice.touches.items()
        if isinstance(touch, Touch)
    }
    assert {name: [step.line for step in edit.steps] for name, edit in predicted.items()} == {
        name: found[name] for name in predicted
    }
    assert predicted["touch-manifest"].seconds > predicted["touch-source"].seconds > timings["noop"].median_s
    cold = timings["cold"]
    assert cold.export_s is not None
    (install,) = (step for step in cold.steps if step.line == 4)
    (again,) = (step for step in timings["rerun-all"].steps if step.line == 4)
    assert (install.layer_bytes, install.seconds >= 5, again.seconds < 5) == (2_000_000, True, True)
    assert [cold.steps[at].line for at in cold.critical_path][-5:] == [3, 4, 5, 6, 8]
    assert timings["build-arg"].touched == "ARG GIT_SHA"


def test_copy_before_install_is_blamed(engine: Engine, project: Path) -> None:
    write(project, COPY_FIRST)
    made = plan(project, Builder.BUILDKIT)
    reach = find_reach(parse(COPY_FIRST), made.context, None, {})
    with measure(engine, made) as measured:
        metrics = cache_metrics(measured.timings, made.dockerfile, reach)
    (bust,) = metrics.busts
    assert (bust.blamed.line, bust.blamed.instruction, bust.step_line) == (2, "COPY . /app", 3)
    assert bust.seconds > 0.3
    assert metrics.source_hit_ratio == 0


def test_the_classic_builder(engine: Engine, project: Path) -> None:
    write(project, TWO_STAGES.replace("--mount=type=cache,target=/cache ", "").replace("; echo x >> /cache/log", ""))
    before = Left.of(engine)
    with measure(engine, plan(project, Builder.CLASSIC)) as measured:
        assert measured.cold.failure is None
        found = misses(measured)
        assert measured.cold.builder == "classic"
        made = Left.of(engine)
    assert found["noop"] == []
    assert found["touch-source"] == [5, 6, 8, 9]
    assert found["touch-lockfile"] == [3, 4, 5, 6]
    after = Left.of(engine)
    assert made.images > before.images
    assert not (made.images - before.images) & after.images
    assert not (after.containers - before.containers) & made.containers


def build_once(engine: Engine, project: Path, dockerfile: str, builder: Builder = Builder.BUILDKIT) -> Made:
    write(project, dockerfile)
    workshop = make_workshop(engine, project, builder)
    try:
        return workshop.build("one")
    finally:
        tidy_up(workshop, frozenset(), interrupted=False) if builder is Builder.BUILDKIT else None


def make_workshop(engine: Engine, project: Path, builder: Builder = Builder.BUILDKIT) -> Workshop:
    wanted = plan(project, builder)
    return Workshop(
        engine=engine,
        context=wanted.context,
        dockerfile=wanted.dockerfile,
        options=wanted.options,
        run_id=f"test{os.getpid()}x{time.monotonic_ns()}",
    )


@pytest.mark.parametrize(
    ("dockerfile", "line", "cause", "log"),
    [
        pytest.param(f"FROM {BASE}\nRUN echo hi; echo tsc: not found >&2; exit 127\n", 2, "TypeScript", "hi", id="run"),
        pytest.param(f"FROM {BASE}\nCOPY nope /\n", 2, "nope is not in the build context", None, id="copy"),
        pytest.param(
            f"FROM {BASE} AS a\nRUN true\nFROM {BASE}\nCOPY --from=a /nope /\n",
            4,
            "not in stage a",
            None,
            id="copy-from",
        ),
        pytest.param(
            f"FROM {BASE}\nRUN --mount=type=secret,id=x,required=true cat /run/secrets/x\n",
            2,
            "buildx",
            None,
            id="secret",
        ),
    ],
)
def test_failures(engine: Engine, project: Path, dockerfile: str, line: int, cause: str, log: str | None) -> None:
    failure = build_once(engine, project, dockerfile).trace.failure
    assert failure is not None
    assert failure.line == line
    assert cause in (failure.cause or "")
    assert log is None or log in failure.log


def test_a_refused_build_is_a_failure(engine: Engine, project: Path) -> None:
    write(project, f"FROM {BASE}\n")
    workshop = make_workshop(engine, project)
    workshop.options = BuildOptions(builder=Builder.BUILDKIT, build_args={}, platform="no/such/plat/form")
    failure = workshop.build("one").trace.failure
    assert failure is not None
    assert "platform" in failure.message


def test_no_image_of_that_name(engine: Engine) -> None:
    with pytest.raises(InputError, match="no image"):
        engine.inspect_image("imgscan-no-such-image:1")
    assert choose_builder("auto", engine.info.kind) is Builder.BUILDKIT


def running(marker: str) -> bool:
    """Whether a process with that word in its command line runs on this machine."""
    for entry in Path("/proc").iterdir():
        if entry.name.isdigit() and entry.name != str(os.getpid()):
            try:
                words = (entry / "cmdline").read_bytes().split(b"\0")
            except OSError:
                continue
            if marker.encode() in words:
                return True
    return False


@pytest.mark.parametrize("builder", [Builder.BUILDKIT, Builder.CLASSIC])
def test_closing_the_stream_cancels_the_build(engine: Engine, project: Path, builder: Builder) -> None:
    marker = f"{3600 + os.getpid() % 1000}.{time.monotonic_ns() % 1_000_000}"
    write(project, f"FROM {BASE}\nRUN sleep {marker}\n")
    before = Left.of(engine)
    workshop = make_workshop(engine, project, builder)
    closer = threading.Thread(target=lambda: close_when(marker, workshop))
    closer.start()
    workshop.build("one")
    closer.join()
    tidy_up(workshop, before.images, interrupted=True)
    deadline = time.monotonic() + 15
    while running(marker) and time.monotonic() < deadline:
        time.sleep(0.1)
    assert not running(marker)
    assert engine.tags(workshop.repository) == {}


def test_a_build_that_nothing_was_heard_of_leaves_nothing(engine: Engine, project: Path) -> None:
    """The engine is already at work when the interrupt comes, before its first word was read."""
    write(project, f"FROM {BASE}\nWORKDIR /unheard\nCOPY requirements.txt .\nRUN sleep 0.1\nENV A=1\n")
    before = Left.of(engine)
    calls = itertools.count()

    def clock() -> float:
        if next(calls):  # the first one is at the build's beginning, the second at the first record
            deadline = time.monotonic() + 60
            while len(engine.image_ids() - before.images) < 2:
                assert time.monotonic() < deadline, "the engine makes no images"
                time.sleep(0.05)
            raise KeyboardInterrupt
        return time.perf_counter()

    workshop = make_workshop(engine, project, Builder.CLASSIC)
    workshop.clock = clock
    with pytest.raises(KeyboardInterrupt), tidied(workshop):
        workshop.build("one")
    assert workshop.parsers == []
    assert Left.of(engine) == before


def close_when(marker: str, workshop: Workshop) -> None:
    """Close the workshop's stream as soon as the step runs."""
    deadline = time.monotonic() + 30
    while not running(marker) and time.monotonic() < deadline:
        time.sleep(0.05)
    for stream in workshop.open_streams:
        stream.close()


INTERRUPTED = """
import sys
from pathlib import Path
sys.path[:0] = {path!r}
from imgscan.engine import Engine
from imgscan.build.measure import measure
import test_real_engine as tests
with Engine.connect({host!r}) as engine, measure(engine, tests.plan(Path({project!r}), tests.Builder({builder!r}), 3)):
    print("measured", flush=True)
    sys.stdin.read()
"""


@pytest.fixture(scope="module")
def private() -> Iterator[PrivateEngine]:
    with private_engine() as made:
        yield made


@pytest.mark.slow
@pytest.mark.parametrize("builder", [Builder.BUILDKIT, Builder.CLASSIC])
@pytest.mark.parametrize("delay_s", [0.6, 1.0, 1.4, 2.1, 3.0])
def test_ctrl_c_leaves_nothing(private: PrivateEngine, project: Path, builder: Builder, delay_s: float) -> None:
    write(
        project,
        TWO_STAGES.replace("--mount=type=cache,target=/cache ", "").replace("; echo x >> /cache/log", "; sleep 0.3"),
    )
    with Engine.connect(private.host) as engine:
        ensure_base(engine)
        before = Left.of(engine)
        files = sorted(project.rglob("*"))
        script = INTERRUPTED.format(
            path=[str(Path(__file__).parent), str(Path(__file__).parents[1])],
            host=private.host,
            project=str(project),
            builder=builder.value,
        )
        process = subprocess.Popen(
            [sys.executable, "-c", script], stdin=subprocess.PIPE, stdout=subprocess.PIPE, stderr=subprocess.PIPE
        )
        time.sleep(delay_s)
        process.send_signal(signal.SIGINT)
        process.communicate(timeout=60)
        assert process.returncode != 0
        time.sleep(1)
        assert Left.of(engine) == before
        assert sorted(project.rglob("*")) == files


def interfaces() -> set[str]:
    """The network interfaces of this machine that engines made for good; those of running containers come and go."""
    return {name.name for name in Path("/sys/class/net").iterdir() if not name.name.startswith(("veth", "imgt"))}


def test_a_private_engine_leaves_the_machine_s_networks_alone() -> None:
    before = interfaces()
    with private_engine():
        assert before <= interfaces()
    assert before <= interfaces()


def test_an_engine_that_dies_is_noticed(project: Path) -> None:
    write(project, f"FROM {BASE}\nRUN sleep 25\n")
    with private_engine() as private, closing(Engine.connect(private.host)) as engine:
        ensure_base(engine)
        workshop = make_workshop(engine, project)
        threading.Timer(3, private.kill).start()
        started = time.monotonic()
        with pytest.raises(EngineError, match="went away while building"):
            workshop.build("one")
        assert time.monotonic() - started < 20
