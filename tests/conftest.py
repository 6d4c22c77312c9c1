"""Fixtures for every test: the golden files' switch, the engine and images built on it. And the suite's two parts."""

from __future__ import annotations

import os
import signal
import sys
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import TYPE_CHECKING, Any

import pytest
from hypothesis import settings

from imgscan.engine import Engine

if TYPE_CHECKING:
    from builds import Builds
    from pages import Browser

sys.path.insert(0, str(Path(__file__).parent))
# Nothing is taken from, or left in, the cache of whoever runs the tests; those of the cache have one of their own.
os.environ["IMGSCAN_NO_CACHE"] = "1"
# A shell that starts the suite in the background has them ignored, nohup one of them, and so they would be in what the
# tests start and interrupt.
for ignored, usual in ((signal.SIGINT, signal.default_int_handler), (signal.SIGHUP, signal.SIG_DFL)):
    if signal.getsignal(ignored) is signal.SIG_IGN:
        signal.signal(ignored, usual)
# A busy machine is no failure.
settings.register_profile("imgscan", deadline=None)
settings.load_profile("imgscan")
GOLDEN = Path(__file__).parent / "golden"


def pytest_addoption(parser: pytest.Parser) -> None:
    parser.addoption("--update-golden", action="store_true", help="rewrite tests/golden from what the code gives now")
    parser.addoption(
        "--part", choices=["company", "alone"], help="only what may run beside others, or only what may not"
    )


def pytest_collection_modifyitems(config: pytest.Config, items: list[pytest.Item]) -> None:
    """Leave out what is not of the part that is wanted."""
    part = config.getoption("--part")
    if part is None:
        return
    others = [item for item in items if (part == "alone") != _is_alone(item)]
    config.hook.pytest_deselected(items=others)
    items[:] = [item for item in items if (part == "alone") == _is_alone(item)]


def _is_alone(item: pytest.Item) -> bool:
    """What builds on the engine may measure, or mind what others do to the cache of builds, unless it says otherwise."""
    if item.get_closest_marker("company"):
        return False
    return any(item.get_closest_marker(name) for name in ("alone", "engine"))


@pytest.fixture
def golden(request: pytest.FixtureRequest) -> Callable[[str, str], None]:
    """Compare a text with the file of that name under tests/golden."""

    def check(name: str, text: str) -> None:
        path = GOLDEN / name
        if request.config.getoption("--update-golden"):
            path.write_text(text, encoding="utf-8")
        assert text == path.read_text(encoding="utf-8"), f"{name} differs; review, then run with --update-golden"

    return check


@pytest.fixture(scope="module")
def engine() -> Iterator[Engine]:
    """The engine that builds."""
    with Engine.connect() as connected:
        yield connected


@pytest.fixture(scope="module")
def made(engine: Engine) -> Iterator[Builds]:
    """Images built on it, gone with the module's tests."""
    from builds import builds

    with builds(engine) as started:
        yield started


@pytest.fixture(scope="module")
def chromium() -> Iterator[Any]:
    """A browser that runs while a module is tested."""
    from pages import started_chromium

    with started_chromium() as started:
        yield started


@pytest.fixture
def browser(chromium: Any) -> Iterator[Browser]:
    """A page of it."""
    from pages import Browser

    page = chromium.new_page()
    yield Browser(page)
    page.close()
