"""Progress: what a terminal, a log and --verbose get, and when."""

from __future__ import annotations

import io
import time

import pytest

from imgscan.build.estimate import Progress as BuildEvent
from imgscan.cli.build_progress import BuildProgress
from imgscan.cli.session import make_progress
from imgscan.progress import Progress

CALLS = [
    ("stage", 1.0, ("loading rules",)),
    ("phase", 1.0, ("cold build", "cold")),
    ("update", 2.0, ("cold build: step 1/2",)),
    ("update", 40.0, ("cold build: step 2/2",)),
    ("update", 1.0, ("cold build: step 2/2 done",)),
    ("phase", 1.0, ("rebuild 1/3", "rebuild")),
    ("phase", 1.0, ("rebuild 2/3", "rebuild")),
    ("phase", 40.0, ("rebuild 3/3", "rebuild")),
    ("stage", 1.0, ("reading the image",)),
]


@pytest.mark.parametrize(
    ("how", "said"),
    [
        pytest.param(
            {"beats": True},
            ["cold build", "cold build: step 2/2", "rebuild 1/3", "rebuild 3/3"],
            id="a-log-gets-phases-and-signs-of-life",
        ),
        pytest.param({}, [], id="quiet"),
        pytest.param(
            {"lines": True, "beats": True},
            ["loading rules", "cold build", "rebuild 1/3", "rebuild 2/3", "rebuild 3/3", "reading the image"],
            id="verbose",
        ),
    ],
)
def test_lines(how: dict[str, bool], said: list[str]) -> None:
    now = [0.0]
    stream = io.StringIO()
    progress = Progress(stream, **{"live": False, "lines": False, **how}, clock=lambda: now[0])
    for call, after_s, words in CALLS:
        now[0] += after_s
        getattr(progress, call)(*words)
    progress.clear()
    assert [line.partition("] ")[2] for line in stream.getvalue().splitlines()] == said


def test_work_without_a_word_gives_a_sign_of_life_until_it_is_over() -> None:
    stream = io.StringIO()
    progress = Progress(stream, live=False, lines=False, beats=True, beat_s=0.04)
    progress.phase("cold build")
    deadline = time.monotonic() + 10
    while stream.getvalue().count("cold build") < 3 and time.monotonic() < deadline:
        time.sleep(0.01)
    progress.clear()
    time.sleep(0.05)
    said = stream.getvalue()
    assert said.count("cold build") >= 3
    time.sleep(0.1)
    assert stream.getvalue() == said


def test_a_build_is_told_once_for_all_its_repeats() -> None:
    stream = io.StringIO()
    shown = BuildProgress(Progress(stream, live=False, lines=False, beats=True))
    for scenario, repeat in (("cold", 1), ("touch-source", 1), ("touch-source", 2)):
        shown.show(
            BuildEvent(
                scenario=scenario, repeat=repeat, repeats=2, step=None, state=None, steps_done=0, steps_total=None,
                seconds_left=None,
            )
        )  # fmt: skip
    shown.tell("building the original, 1/2")
    shown.tell("building the original, 2/2")
    assert [line.partition("] ")[2] for line in stream.getvalue().splitlines()] == [
        "cold build",
        "rebuild, touch-source 1/2",
        "building the original, 1/2",
    ]


@pytest.mark.parametrize(("quiet", "said"), [(True, ""), (False, "cold build\n")])
def test_quiet_is_quiet(quiet: bool, said: str, capsys: pytest.CaptureFixture[str]) -> None:
    progress = make_progress(quiet=quiet, verbose=False)
    progress.phase("cold build")
    progress.clear()
    assert capsys.readouterr().err.endswith(said)
    assert quiet is (said == "")
