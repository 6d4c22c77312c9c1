"""Edits by range: nothing else of the text changes."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from imgscan.diff import Edit, apply_edits, line_end_of
from imgscan.dockerfile.parse import parse
from imgscan.optimize.edits import block_of, removals


@given(st.text(min_size=1), st.data())
def test_only_the_ranges_change(text: str, data: st.DataObject) -> None:
    bounds = sorted(data.draw(st.lists(st.integers(0, len(text)), min_size=2, max_size=6)))
    pairs = list(zip(bounds[::2], bounds[1::2], strict=False))
    edits = [Edit(start=start, end=end, text="<new>") for start, end in pairs]
    kept = [
        text[a:b] for a, b in zip([0, *(e.end for e in edits)], [*(e.start for e in edits), len(text)], strict=True)
    ]
    assert apply_edits(text, reversed(edits)) == "<new>".join(kept)


@pytest.mark.parametrize("edits", [[(0, 5), (4, 6)], [(3, 2)], [(0, 99)]], ids=["overlapping", "backwards", "outside"])
def test_impossible_edits(edits: list[tuple[int, int]]) -> None:
    with pytest.raises(ValueError, match="edit"):
        apply_edits("0123456789", [Edit(start=start, end=end, text="") for start, end in edits])


@pytest.mark.parametrize(("text", "eol"), [("a\r\nb\n", "\r\n"), ("a\nb\r\n", "\n"), ("a", "\n"), ("\na", "\n")])
def test_line_end(text: str, eol: str) -> None:
    assert line_end_of(text) == eol


def test_a_block_has_the_comments_right_above_it() -> None:
    text = "# syntax=x\nFROM a\n# far\n\n# near\n  # too\nRUN <<E\n# body\nE\n# after\n"
    commands = parse(text).stages[0].commands
    assert block_of(text, commands, 1, "\n").text == "# near\n  # too\nRUN <<E\n# body\nE\n"


def test_of_two_blank_lines_one_goes() -> None:
    text = "FROM a\n\nRUN b\nRUN c\n\nRUN d\n"
    commands = parse(text).stages[0].commands
    blocks = [block_of(text, commands, at, "\n") for at in (1, 2)]
    assert apply_edits(text, removals(text, blocks)) == "FROM a\n\nRUN d\n"
