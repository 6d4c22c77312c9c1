"""Cells of tables in texts, by the names of their columns."""

from __future__ import annotations

import csv
import io

import pytest
from hypothesis import given
from hypothesis import strategies as st

from imgscan.detect.secrets.assignments import ENV_ASSIGNMENT
from imgscan.detect.secrets.rules import own_pack
from imgscan.detect.secrets.tables import MOST_CELLS, cell_matches

RULE = next(rule for rule in own_pack().rules if rule.id == ENV_ASSIGNMENT)


def cells(path: str, text: str) -> list[tuple[str, str]]:
    """Names and texts of the cells that are found."""
    return [(match.name, match.secret.decode()) for match in cell_matches(RULE, text.encode(), path, pytest.fail)]


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        pytest.param("", [], id="empty"),
        pytest.param("\n", [], id="blank"),
        pytest.param("password\nabc\n", [], id="no-table"),
        pytest.param("a,password", [], id="head-alone"),
        pytest.param("a,b\n1,2\n", [], id="nothing-secret"),
        pytest.param("a,password\n1,x1\n2,x2", [("password", "x1"), ("password", "x2")], id="no-newline-at-end"),
        pytest.param('a,password\n"1\n,""",x1\n', [("password", "x1")], id="newline-in-quotes"),
        pytest.param("a,password\n1\n2,x2,3\n4,x4\n", [("password", "x4")], id="rows-of-other-lengths"),
        pytest.param("token|b|password\r\n1|2|3\r\n", [("token", "1"), ("password", "3")], id="two-columns"),
    ],
)
def test_separated_values(text: str, expected: list[tuple[str, str]]) -> None:
    assert cells("a.csv", text) == expected
    assert cells("a.txt", text) == []


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        pytest.param("INSERT INTO t (a, password) VALUES (1, 'x')", ["x"], id="insert"),
        pytest.param("insert ignore into `t`(`a`,`password`) values(1,'x'),(2,'y');", ["x", "y"], id="mysql"),
        pytest.param("INSERT INTO [t] ([a], [password]) VALUES (N'b', 'x')", ["x"], id="sql-server"),
        pytest.param(
            "INSERT INTO t (a, password) VALUES (f('b', 'c'), 'x''y\\'z')", ["x''y\\'z"], id="quotes-and-calls"
        ),
        pytest.param("INSERT INTO t (password) VALUES (NULL), (MD5('x'))", ["", ""], id="no-literal"),
        pytest.param("INSERT INTO t VALUES (1, 'x')", [], id="columns-not-known"),
        pytest.param(
            "CREATE TABLE IF NOT EXISTS `t` (`a` enum('b','c'), `password` varchar(9) NOT NULL, UNIQUE KEY `d` (`a`));"
            "INSERT INTO `t` VALUES ('b','x');",
            ["x"],
            id="columns-of-the-table",
        ),
        pytest.param("COPY s.t (a, password) FROM stdin;\n1\tx\n\\.\nINSERT", ["x"], id="copy"),
        pytest.param("INSERT INTO t (a, password) VALUES (1, 'x'", [], id="cut-off"),
        pytest.param("INSERT INTO t (a, password) VALUES ('1, 'x');", [], id="quote-left-open"),
    ],
)
def test_rows_of_sql(text: str, expected: list[str]) -> None:
    assert cells("dump.sql", text) == [("password", value) for value in expected]


def test_what_is_left_out_is_told() -> None:
    told: list[str] = []
    text = "a,password\n" + "1,x\n" * (MOST_CELLS + 1)
    assert len(list(cell_matches(RULE, text.encode(), "a.csv", told.append))) == MOST_CELLS
    assert len(told) == 1


@given(
    rows=st.lists(st.tuples(st.text("ab,\"\n;'", max_size=9), st.text("ab,\"\n;'", min_size=1, max_size=9)), max_size=9)
)
def test_whatever_is_written_as_csv_is_read_so(rows: list[tuple[str, str]]) -> None:
    written = io.StringIO()
    csv.writer(written, lineterminator="\n").writerows([("a", "password"), *rows])
    assert [value.replace('""', '"') for _, value in cells("a.csv", written.getvalue())] == [row[1] for row in rows]


@given(path=st.sampled_from(["a.csv", "a.sql"]), data=st.binary(max_size=200))
def test_whatever_is_given_lies_within_the_document(path: str, data: bytes) -> None:
    for prefix in (b"a,password\n", b"INSERT INTO t (a, password) VALUES (", b"COPY t (password) FROM stdin;\n"):
        text = prefix + data
        for match in cell_matches(RULE, text, path, pytest.fail):
            assert text[match.start : match.end] == match.secret
