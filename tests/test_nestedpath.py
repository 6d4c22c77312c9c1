"""Paths that go on inside of archives, as people read them."""

from __future__ import annotations

import pytest

from imgscan.model import Location, Place
from imgscan.nestedpath import nested_path
from imgscan.report.summary import place_text


@pytest.mark.parametrize(
    ("path", "inside", "told"),
    [
        pytest.param("config/prod.env", (), "config/prod.env", id="a-file"),
        pytest.param("a.tgz!/config/prod.env", ("config/prod.env",), "a.tgz → config/prod.env", id="an-archive"),
        pytest.param("a.zip!/b.jar!/c", ("b.jar", "c"), "a.zip → b.jar → c", id="an-archive-in-an-archive"),
        pytest.param("a.tgz", ("c",), "a.tgz → c", id="a-path-without-its-members"),
        pytest.param(".git/objects/9c/47!/object", ("object",), ".git/objects/9c/47", id="an-object-of-git"),
        pytest.param(
            ".git/objects/9c/47!/object!/a.env", ("object", "a.env"), ".git/objects/9c/47 → a.env", id="in-an-object"
        ),
        pytest.param("a.tgz!/object", ("object",), "a.tgz → object", id="only-called-like-it"),
        pytest.param("odd!/name", (), "odd!/name", id="a-folder-called-like-that"),
    ],
)
def test_nested_paths(path: str, inside: tuple[str, ...], told: str) -> None:
    location = Location(place=Place.CONTEXT, path=path, inside=inside, line=2)
    assert nested_path(location) == told
    assert place_text(location) == f"{told}:2"
