"""Changes by directory: they add up to the image's, each is told once, and nothing is claimed that a report cannot
know."""

from __future__ import annotations

import pytest
from fakes import directory, image
from hypothesis import given
from hypothesis import strategies as st

from imgscan.directories import LEAST_SHARE, MOST_REPORTED, around
from imgscan.directorychanges import DirectoryChange, directory_changes
from imgscan.model import ImageReport

Sizes = dict[str, int]


def above(path: str) -> list[str]:
    parts = path.strip("/").split("/")
    return ["/", *("/" + "/".join(parts[:depth]) for depth in range(1, len(parts)))]


def summed(files: Sizes) -> Sizes:
    """Directories of files with all that is below them."""
    found: Sizes = {"/": 0}
    for path, size in files.items():
        for folder in above(path) if size else ():
            found[folder] = found.get(folder, 0) + size
    return found


def made(files: Sizes) -> ImageReport:
    """An image with these files: what is too small is not listed."""
    sizes = summed(files)
    total = sizes["/"]
    listed = {path: size for path, size in sizes.items() if size * LEAST_SHARE >= total}
    return image(size_bytes=total, directories=tuple(directory(path, (0, size, 0)) for path, size in listed.items()))


def changed(base: Sizes, head: Sizes, noise: float = 0) -> list[tuple[str, int | None, int | None, int, int]]:
    changes = directory_changes(made(base), made(head), noise)
    return [(one.path, one.base, one.head, one.change, one.slack) for one in changes]


BASE = {"/usr/lib/a": 4000, "/usr/bin/b": 3000, "/app/main": 2000, "/app/lib/x": 1000}

CASES = [
    pytest.param({}, [], id="nothing"),
    pytest.param({"/app/lib/x": 1500}, [("/app/lib", 1000, 1500, 500, 0)], id="the-innermost"),
    pytest.param({"/app/main": 1400}, [("/app", 3000, 2400, -600, 0)], id="smaller"),
    pytest.param(
        {"/app/lib/x": 1500, "/app/main": 2300},
        [("/app/lib", 1000, 1500, 500, 0), ("/app", 3000, 3800, 300, 0)],
        id="besides-what-is-told-of",
    ),
    pytest.param(
        {"/app/lib/x": 1500, "/app/main": 1500},
        [("/app", 3000, 3000, -500, 0), ("/app/lib", 1000, 1500, 500, 0)],
        id="from-one-place-to-another",
    ),
    pytest.param({"/opt/venv/bin/p": 300, "/opt/venv/lib/q": 400}, [("/opt/venv", None, 700, 700, 0)], id="new"),
    # /app has files of its own, so there may be some in /app/lib: less than a thousandth of 9 kB.
    pytest.param({"/app/lib/x": 0}, [("/app/lib", 1000, None, -1000, 9)], id="gone-or-small-now"),
    pytest.param({"/app/lib/x": 0, "/app/main": 0}, [("/app", 3000, None, -3000, 0)], id="gone"),
    pytest.param({"/usr/lib/a": 4100, "/app/main": 1950}, [], id="noise"),
    pytest.param({"/usr/lib/a": 4080, "/usr/bin/b": 3080}, [("/usr", 7000, 7160, 160, 0)], id="much-noise"),
]


@pytest.mark.parametrize(("edits", "expected"), CASES)
def test_changes(edits: Sizes, expected: list[tuple[str, int | None, int | None, int, int]]) -> None:
    assert changed(BASE, {**BASE, **edits}, noise=100) == expected


def test_the_same_image_has_no_changes() -> None:
    assert directory_changes(image(), image(), 0) == ()


@pytest.mark.parametrize(
    ("base", "head"),
    [
        pytest.param(None, image(), id="no-image-before"),
        pytest.param(image(), None, id="no-image-now"),
        pytest.param(image(directories=()), image(), id="older-report"),
    ],
)
def test_nothing_is_told_where_a_report_knows_nothing(base: ImageReport | None, head: ImageReport | None) -> None:
    assert directory_changes(base, head, 0) == ()


def test_what_a_full_list_leaves_out_is_no_larger_than_its_least() -> None:
    paths = [f"/d{number:03d}" for number in range(MOST_REPORTED - 1)]
    full = [directory("/", (0, 10_000_000, 0)), *(directory(path, (0, 20_000, 0)) for path in paths)]
    base = image(size_bytes=10_000_000, directories=tuple(full))
    grown = (*full[1:], directory("/", (0, 10_500_000, 0)), directory("/new", (0, 500_000, 0)))
    head = image(size_bytes=10_500_000, directories=grown)
    assert directory_changes(base, head, 1) == (
        DirectoryChange(path="/new", base=None, head=500_000, change=500_000, slack=20_000),
    )


FILES = st.dictionaries(
    st.lists(st.sampled_from("abc"), min_size=1, max_size=4).map(lambda parts: "/" + "/".join(parts) + "/f"),
    st.one_of(st.integers(1, 60), st.integers(1, 100_000)),
    min_size=1,
    max_size=12,
)


@given(FILES, FILES, st.integers(0, 500))
def test_changes_add_up(base: Sizes, head: Sizes, noise: int) -> None:
    """All that is told is the image's change but for noise, and each change is true but for its slack."""
    changes = directory_changes(made(base), made(head), noise)
    before, after = summed(base), summed(head)
    told = {one.path: after.get(one.path, 0) - before.get(one.path, 0) for one in changes}
    slack = sum(one.slack for one in changes)
    assert abs(after["/"] - before["/"] - sum(one.change for one in changes)) <= noise + slack
    outer = around(told)
    for one in changes:
        inside = sum(change for path, change in told.items() if outer.get(path) == one.path)
        assert abs(told[one.path] - inside - one.change) <= one.slack
        assert abs(one.change) > noise
    assert len(told) == len(changes)


@given(FILES, FILES)
def test_new_and_gone_are_certain(base: Sizes, head: Sizes) -> None:
    before, after = summed(base), summed(head)
    for one in directory_changes(made(base), made(head), 0):
        if one.base is None:
            assert before.get(one.path, 0) <= one.slack
        if one.head is None:
            assert after.get(one.path, 0) <= one.slack


@given(st.lists(st.text("/ab", max_size=6)))
def test_whatever_paths_a_report_has(paths: list[str]) -> None:
    outer = around(paths)
    assert all(path.startswith(place.rstrip("/") + "/") and path != place for path, place in outer.items())
    made = image(directories=tuple(directory(path, (0, 5, 0)) for path in paths))
    assert directory_changes(made, made, 0) == ()
    directory_changes(made, image(), 0)


def test_what_lies_in_what() -> None:
    assert around(["/a-b", "/a/b/c", "/", "/a", "/a/d"]) == {"/a": "/", "/a/b/c": "/a", "/a/d": "/a", "/a-b": "/"}
