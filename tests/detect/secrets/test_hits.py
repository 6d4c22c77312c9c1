"""Folding: one hit for each stretch of text."""

from __future__ import annotations

from hypothesis import given
from hypothesis import strategies as st

from imgscan.detect.secrets.hits import _Spans

SPANS = st.lists(st.tuples(st.integers(0, 60), st.integers(1, 12)).map(lambda s: (s[0], s[0] + s[1])), max_size=12)


@given(spans=SPANS, probe=st.tuples(st.integers(0, 70), st.integers(1, 12)))
def test_a_union_of_spans_is_touched_where_one_of_them_is(spans: list[tuple[int, int]], probe: tuple[int, int]) -> None:
    union = _Spans()
    for start, end in spans:
        union.add(start, end)
    low, high = probe[0], probe[0] + probe[1]
    assert union.touch(low, high) == any(start < high and low < end for start, end in spans)
