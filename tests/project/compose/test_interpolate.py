"""References in texts: each operator, nesting, what is told."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from imgscan.project.compose.interpolate import replace_variables

VALUES = {"SET": "value", "EMPTY": ""}


@pytest.mark.parametrize(
    ("text", "value", "unset"),
    [
        ("$SET ${SET}", "value value", ()),
        ("$$SET $5 $", "$SET $5 $", ()),
        ("$NOPE|${NOPE}", "|", ("NOPE",)),
        ("${EMPTY:-d}|${EMPTY-d}|${NOPE:-d}|${NOPE-d}|${SET:-d}", "d||d|d|value", ()),
        ("${SET:+r}|${EMPTY:+r}|${EMPTY+r}|${NOPE+r}", "r||r|", ()),
        ("${SET:?no}|${EMPTY?no}", "value|", ()),
        ("${A:-${B:-${SET}}}", "value", ()),
        ("${A:-${B}}", "", ("B",)),
        ("${SET:-${B}}", "value", ()),
        ('${A:-{"k":"v"}}', '{"k":"v"}', ()),
        ("${A:-x}y}", "xy}", ()),
        ("${A-b:-c}", "b:-c", ()),
    ],
)
def test_replaced(text: str, value: str, unset: tuple[str, ...]) -> None:
    found = replace_variables(text, VALUES)
    assert (found.value, found.unset, found.invalid, found.missing) == (value, unset, False, ())


@pytest.mark.parametrize(
    ("text", "missing"),
    [
        ("${NOPE:?say why}", (("NOPE", "say why"),)),
        ("${EMPTY:?}", (("EMPTY", ""),)),
        ("${NOPE?$SET}", (("NOPE", "value"),)),
        ("${A:-${NOPE:?inner}}", (("NOPE", "inner"),)),
    ],
)
def test_missing(text: str, missing: tuple[tuple[str, str], ...]) -> None:
    assert replace_variables(text, VALUES).missing == missing


@pytest.mark.parametrize("text", ["${", "${}", "${5}", "${A B}", "${A:-b", "${A:-x\n}", "${A!b}"])
def test_invalid(text: str) -> None:
    assert replace_variables(text, VALUES).invalid


def test_uses_have_their_operators() -> None:
    uses = replace_variables("${A:-${B?why}}$C", VALUES).uses
    assert [(use.name, use.operator, use.operand, use.depth, use.text) for use in uses] == [
        ("A", ":-", "${B?why}", 0, "${A:-${B?why}}"),
        ("B", "?", "why", 1, "${B?why}"),
        ("C", "", "", 0, "$C"),
    ]


@given(st.text(alphabet="${}:-?+AB \n", max_size=60))
def test_any_text(text: str) -> None:
    found = replace_variables(text, VALUES)
    if "$" not in text:
        assert found.value == text
