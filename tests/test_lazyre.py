"""Patterns that are compiled late do what patterns do."""

from __future__ import annotations

import importlib
import pkgutil
import re
import threading

import pytest
from hypothesis import given
from hypothesis import strategies as st

import imgscan
from imgscan.lazyre import _LazyPattern, lazy_re


def patterns() -> list[tuple[str, _LazyPattern[str] | _LazyPattern[bytes]]]:
    """Every such pattern of the package, by the name of its module and its own."""
    found = []
    for info in pkgutil.walk_packages(imgscan.__path__, "imgscan."):
        if info.name.endswith("__main__"):
            continue
        module = importlib.import_module(info.name)
        found += [(f"{info.name}.{name}", it) for name, it in vars(module).items() if isinstance(it, _LazyPattern)]
    return found


def test_every_pattern_of_the_package_is_one() -> None:
    found = patterns()
    assert len(found) > 300
    for name, pattern in found:
        assert pattern.pattern, name


@given(st.text(alphabet="ab1 \n", max_size=20))
@pytest.mark.parametrize("flags", [0, re.MULTILINE | re.IGNORECASE])
@pytest.mark.parametrize("text", [r"^(?P<a>A)?b", r"\s+|(1)", r""])
def test_it_finds_what_the_compiled_one_finds(text: str, flags: int, data: str) -> None:
    lazy, compiled = lazy_re(text, flags), re.compile(text, flags)
    for one, other in (
        (lazy.search(data), compiled.search(data)),
        (lazy.match(data, 1), compiled.match(data, 1)),
        (lazy.fullmatch(data), compiled.fullmatch(data)),
    ):
        assert repr(one) == repr(other)
    assert lazy.split(data) == compiled.split(data)
    assert lazy.findall(data) == compiled.findall(data)
    assert [found.span() for found in lazy.finditer(data)] == [found.span() for found in compiled.finditer(data)]
    assert lazy.sub("<>", data) == compiled.sub("<>", data)
    assert lazy.subn("<>", data, 1) == compiled.subn("<>", data, 1)


@pytest.mark.parametrize("name", ["pattern", "flags", "groups", "groupindex"])
def test_it_says_what_the_compiled_one_says(name: str) -> None:
    assert getattr(lazy_re(rb"(?P<a>x)", re.DOTALL), name) == getattr(re.compile(rb"(?P<a>x)", re.DOTALL), name)


def test_it_has_nothing_that_the_compiled_one_has_not() -> None:
    with pytest.raises(AttributeError):
        lazy_re("x").serach  # type: ignore[attr-defined]  # noqa: B018


def test_an_error_is_raised_where_it_is_used() -> None:
    broken = lazy_re("(")
    assert repr(broken) == "lazy_re('(', 0)"
    for _ in range(2):
        with pytest.raises(re.error):
            broken.search("")


def test_threads_that_use_it_first_at_once() -> None:
    lazy, found = lazy_re("(a+)+b"), list[object]()
    threads = [threading.Thread(target=lambda: found.append(lazy.search("aab"))) for _ in range(8)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert len(found) == 8
    assert all(found)
