"""What a report quotes of the project's files: the lines that are meant, bounded, without secrets."""

from __future__ import annotations

import pytest
from fakes import finding, report
from hypothesis import given
from hypothesis import strategies as st

from imgscan.excerpts import AROUND, lines_of, with_excerpts
from imgscan.model import Finding, Location, Place, Report, SourceExcerpt, SourceLine


def at(line: int | None, *, place: Place = Place.COMPOSE, path: str = "compose.yaml") -> Finding:
    location = Location(place=place, path=path, line=line)
    return finding(location=location, places=(location,), fingerprint=f"{line or 0:016x}")


def quoted(shown: Report, text: str | None, clean: dict[str, str] | None = None) -> tuple[SourceExcerpt, ...]:
    def without(line: str) -> str:
        for secret, instead in (clean or {}).items():
            line = line.replace(secret, instead)
        return line

    return with_excerpts(shown, lambda file: text if file == "compose.yaml" else None, without).excerpts


TEN = "\n".join(f"line {number}" for number in range(1, 11))
CASES = [
    pytest.param((5,), [(3, 7)], id="in-the-middle"),
    pytest.param((1,), [(1, 3)], id="at-the-beginning"),
    pytest.param((10,), [(8, 10)], id="at-the-end"),
    pytest.param((2, 9), [(1, 4), (7, 10)], id="two"),
    pytest.param((3, 8), [(1, 10)], id="two-that-touch"),
    pytest.param((99,), [], id="outside"),
    pytest.param((None,), [], id="no-line"),
]


@pytest.mark.parametrize(("lines", "spans"), CASES)
def test_lines_around(lines: tuple[int | None, ...], spans: list[tuple[int, int]]) -> None:
    found = quoted(report(findings=tuple(at(line) for line in lines)), TEN)
    assert [(one.line, one.line + len(one.lines) - 1) for one in found] == spans
    for one in found:
        assert list(one.lines) == [f"line {one.line + number}" for number in range(len(one.lines))]


@given(st.lists(st.integers(1, 60), max_size=12), st.integers(0, 50))
def test_every_line_that_is_meant_is_there_once(lines: list[int], count: int) -> None:
    text = "\n".join(f"line {number}" for number in range(1, count + 1))
    found = quoted(report(findings=tuple(at(line) for line in lines)), text)
    numbers = [one.line + number for one in found for number in range(len(one.lines))]
    assert len(numbers) == len(set(numbers))
    last = max(count, 1)
    assert set(numbers) >= {line for line in lines if line <= last}
    assert all(any(abs(number - line) <= AROUND for line in lines) for number in numbers)


def test_secrets_are_taken_out_also_one_of_several_lines() -> None:
    found = quoted(report(findings=(at(2),)), "a\npassword\nc", {"password": "***"})
    assert found[0].lines == ("a", "***", "c")
    found = quoted(report(findings=(at(2),)), "key1\nkey2\nc", {"key1\nkey2": "***", "key1": "*", "key2": "*"})
    assert found[0].lines == ("*", "*", "c")


def test_what_is_not_of_the_project_is_not_quoted() -> None:
    in_layer = finding(location=Location(place=Place.FILE, layer=1, path="compose.yaml", line=3), places=())
    assert quoted(report(findings=(in_layer,)), TEN) == ()
    assert quoted(report(findings=(at(3, place=Place.CONTEXT),)), TEN) == ()
    assert quoted(report(findings=(at(3),)), None) == ()


def test_the_dockerfile_line_goes_before_the_place_in_the_image() -> None:
    location = Location(place=Place.FILE, layer=1, path="/a", line=9, dockerfile=SourceLine(file="Dockerfile", line=4))
    assert list(lines_of(finding(location=location, places=()))) == [("Dockerfile", 4)]


def test_quotes_are_bounded() -> None:
    text = "\n".join("x" * 1000 for _ in range(9000))
    found = quoted(report(findings=tuple(at(line) for line in range(5, 9000, 9))), text)
    assert sum(len(one.lines) for one in found) <= 2000
    assert max(len(line) for one in found for line in one.lines) == 400
