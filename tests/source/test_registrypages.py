"""Where a list of a registry goes on, by its Link headers, and where it may not lead."""

from __future__ import annotations

import time

import pytest
from fleetsources import told
from hypothesis import given
from hypothesis import strategies as st

from imgscan.errors import EngineError
from imgscan.source.registrypages import next_query

URL = "https://registry.example:5000/v2/_catalog"
GOES_ON = [
    ('</v2/_catalog?last=b&n=2>; rel="next"', "last=b&n=2"),
    ('<https://registry.example:5000/v2/_catalog?n=2&last=b>; rel="next"', "n=2&last=b"),
    ("</v2/_catalog?n=2>;rel=next", "n=2"),
    ('</v2/_catalog?n=2>; title="a, b"; REL="prev next"', "n=2"),
    ('<x?n=1>; rel="prev", <y?n=3>; rel="next"', "n=3"),
    # A proxy that does not know how it was called.
    ('<http://registry.example/v2/_catalog?n=2>; rel="next"', "n=2"),
    ('</artifactory/api/docker/v2/_catalog?n=2>; rel="next"', "n=2"),
    ('<?n=2>; rel="next"', "n=2"),
]
ENDS = [
    "",
    "<>",
    '</v2/_catalog?n=2>; rel="prev"',
    "</v2/_catalog?n=2>",
    "nonsense",
    '</v2?n=2> rel="next"',
    "<" * 30_000,
]
REFUSED = [
    '<https://evil.example/v2/_catalog?n=2>; rel="next"',
    '<//evil.example/v2/_catalog?n=2>; rel="next"',
    '<https://registry.example.evil.example/?n=2>; rel="next"',
    '<https://user@registry.example:5000/v2/_catalog?n=2>; rel="next"',
    '<file:///etc/passwd?n=2>; rel="next"',
    '<javascript:alert(1)?n=2>; rel="next"',
    '</v2/_catalog>; rel="next"',
    '<http://[::1/?n=2>; rel="next"',
    '</v2/_catalog?n=2 HTTP/1.1>; rel="next"',
    '</v2/_catalog?last=\u00e9>; rel="next"',
    f'</v2/_catalog?{"a" * 9000}>; rel="next"',
]


@pytest.mark.parametrize(("header", "query"), GOES_ON, ids=[header for header, _ in GOES_ON])
def test_goes_on(header: str, query: str) -> None:
    assert next_query([header], URL) == query
    assert next_query(["<a?b>; rel=first", header], URL) == query


@pytest.mark.parametrize("header", ENDS, ids=lambda header: header[:30] or "none")
def test_ends(header: str) -> None:
    assert next_query([header], URL) == ""


@pytest.mark.parametrize("header", REFUSED, ids=lambda header: repr(header)[:50])
def test_is_refused(header: str) -> None:
    with pytest.raises(EngineError) as caught:
        next_query([header], URL)
    assert caught.value.what.isprintable()


@pytest.mark.parametrize("header", ["<a>" + ";a=b" * 3_000 + "!", "<a>" + " " * 15_000, "<a>;a=" + "b" * 15_000 + '"'])
def test_takes_no_time(header: str) -> None:
    began = time.process_time()
    assert next_query([header] * 20, URL) == ""
    assert time.process_time() - began < 2


@given(st.lists(st.text('</?n=2>; rel="next", abc:@\n\\', max_size=60)))
def test_anything(headers: list[str]) -> None:
    with told() as error:
        assert " " not in next_query(headers, URL)
    assert all(what.isprintable() for what in error)
