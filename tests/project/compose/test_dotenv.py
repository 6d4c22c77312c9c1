"""Files of variables by compose's grammar: values, lines, faults."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from imgscan.project.compose.dotenv import read_dotenv


@pytest.mark.parametrize(
    ("text", "values"),
    [
        ("A=1\nB = two words # note\nC=x#y\n", {"A": "1", "B": "two words", "C": "x#y"}),
        ("export A=1\nB: 2\nC=\n", {"A": "1", "B": "2", "C": ""}),
        ("A='$B \\' x'\nB=\"a\\tb \\\" $A \\$A\"\n", {"A": "$B ' x", "B": "a\tb \" $B ' x $A"}),
        ("A=1\nB=${A}${NOPE:-2}$$\n", {"A": "1", "B": "12$"}),
        ('A="one\ntwo"\nB=3\n', {"A": "one\ntwo", "B": "3"}),
        ("\ufeffA=1\r\n# B=2\r\nC=3", {"A": "1", "C": "3"}),
        ("A=1\nA=2\n", {"A": "2"}),
        ("A\nB=1\n", {"B": "1"}),
        ('A="\\101\\0101\\c"\n', {"A": "\\101A\\c"}),
    ],
)
def test_values(text: str, values: dict[str, str]) -> None:
    parsed = read_dotenv(text, ".env")
    assert parsed.fault is None
    assert parsed.values() == values


def test_lines_and_raw_values() -> None:
    entries = read_dotenv('# head\n\nA=1\nB="x\ny"\nexport C=2 # c\n', ".env").entries
    assert [(entry.name, entry.line, entry.raw) for entry in entries] == [
        ("A", 3, "1"),
        ("B", 4, '"x\ny"'),
        ("C", 6, "2"),
    ]


@pytest.mark.parametrize(
    ("text", "line", "says"),
    [
        ("A=1\nB C=2\n", 2, "key cannot contain a space"),
        ("A=1\n\nB!=2\n", 3, 'unexpected character "!"'),
        ("A='x\nB=1\n", 1, "unterminated"),
        ("A=${\n", 2, "invalid template"),
        ("A=${B:?say}\n", 2, "required variable B is missing a value: say"),
        ("export ", 1, "zero length"),
    ],
)
def test_faults(text: str, line: int, says: str) -> None:
    fault = read_dotenv(text, ".env").fault
    assert fault is not None
    assert fault[0] == line
    assert says in fault[1]


@given(st.text(alphabet="AB=:\n \t'\"\\#$ {}exportn\r", max_size=60))
def test_any_text(text: str) -> None:
    parsed = read_dotenv(text, ".env")
    assert all(1 <= entry.line <= text.count("\n") + 1 for entry in parsed.entries)
