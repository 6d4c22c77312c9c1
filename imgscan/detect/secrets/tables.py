"""Tables in texts: comma-separated files, and the rows that SQL inserts or copies. What a cell holds is said by the
head of its column, which may stand a thousand lines above.

In: a whole document. Out: the cells of columns whose names promise a secret, as if each were assigned to the name.

Formats: RFC 4180 with `,`, `;`, tab or `|` between fields; `INSERT INTO` with its columns, or those of the
`CREATE TABLE` before it as mysqldump writes it; `COPY … FROM stdin` as pg_dump writes it.
"""

from __future__ import annotations

import itertools
import re
from collections.abc import Iterable, Iterator, Sequence
from typing import Final, TypeAlias

from imgscan.detect.secrets.assignments import is_sensitive_name
from imgscan.detect.secrets.confirm import Cut, Match
from imgscan.detect.secrets.rules import SecretRule
from imgscan.lazyre import lazy_re

MOST_CELLS: Final = 100
"""A dump of a table of users needs no more to be told from one without."""
_Cell: TypeAlias = tuple[str, int, int]
"""The name of a column, and where a text under it begins and ends."""
_Row: TypeAlias = Sequence[tuple[int, int]]
_MOST_ROWS: Final = 2_000
_MOST_COLUMNS: Final = 200
_NOWHERE: Final = (0, 0)
_FIELD: Final = rb'(?:"([^"]*(?:""[^"]*)*)"|([^%b\r\n]*))(%b|\r?\n|\Z)'
_FIELDS: Final = {
    separator: lazy_re(_FIELD % (separator, re.escape(separator))) for separator in (b",", b";", b"\t", b"|")
}
_SEPARATED: Final = (".csv", ".tsv")
_SQL: Final = (".sql",)
_STATEMENT: Final = lazy_re(
    rb"(?i)\b(?:(?P<create>CREATE\s{1,9}TABLE)|(?P<insert>(?:INSERT|REPLACE)(?:\s{1,9}IGNORE)?\s{1,9}INTO)|(?P<copy>COPY))"
    rb"\s{1,9}(?:IF\s{1,9}NOT\s{1,9}EXISTS\s{1,9})?(?P<table>[^\s(),;]{1,200})\s{0,9}"
    rb"(?:\((?P<columns>(?:[^()']|\([^()]{0,80}\)|'[^']{0,200}'){1,16000})\))?"
)
_COLUMN: Final = lazy_re(rb"\s*[`\"\[]?([A-Za-z_][\w$-]{0,63})")
_COLUMN_APART: Final = lazy_re(rb"\([^()]*\)|'[^']*'|(,)")
_VALUES: Final = lazy_re(rb"(?i)\s{0,9}VALUES?\s{0,9}(?=\()")
_STDIN: Final = lazy_re(rb"(?i)[^\n;]{0,80}?\bFROM\s{1,9}STDIN\b[^\n]{0,80}\n")
_TOKEN: Final = lazy_re(rb"'([^'\\]*(?:(?:\\.|'')[^'\\]*)*)'|[(),;]|[^'(),;]+", re.DOTALL)
_NO_COLUMNS: Final = frozenset(
    ("PRIMARY", "KEY", "UNIQUE", "CONSTRAINT", "INDEX", "FOREIGN", "CHECK", "FULLTEXT", "SPATIAL")
)
"""What begins an element of CREATE TABLE that is none of its columns."""


def cell_matches(rule: SecretRule, data: bytes, path: str, cut: Cut) -> Iterator[Match]:
    """The cells of a document that lie in columns with sensitive names as matches of the rule for assignments, quotes
    taken off. `cut` is told where it ends after the first `MOST_CELLS`."""
    lowered = path.lower()
    if lowered.endswith(_SEPARATED):
        found = _separated(data)
    elif lowered.endswith(_SQL):
        found = _of_sql(data)
    else:
        return
    for name, start, end in itertools.islice(found, MOST_CELLS):
        yield Match(
            rule=rule, start=start, end=end, match_start=start, match_end=end, secret=bytes(data[start:end]), name=name
        )
    if next(found, None) is not None:
        cut(f"a table with more than {MOST_CELLS} cells under a secret's name, the rest was not looked at")


def _separated(data: bytes) -> Iterator[_Cell]:
    head = data[: data.find(b"\n") + 1]
    separator = max(_FIELDS, key=head.count)
    rows = _rows(data, 0, separator)
    names = [data[start:end].strip().decode("utf-8", "replace") for start, end in next(rows, [])]
    if len(names) > 1:
        yield from _under(names, rows)


def _rows(data: bytes, start: int, separator: bytes) -> Iterator[_Row]:
    """Where the fields of each row lie, up to the first row that is not formed like one."""
    field, at = _FIELDS[separator], start
    for _ in range(_MOST_ROWS):
        row: list[tuple[int, int]] = []
        while len(row) <= _MOST_COLUMNS and (found := field.match(data, at)) is not None:
            row.append(found.span(1) if found.start(1) >= 0 else found.span(2))
            at = found.end()
            if found.group(3) != separator:
                break
        else:
            return
        if at >= len(data) and row[-1][0] == row[-1][1]:
            return
        yield row
        if at >= len(data):
            return


def _under(names: Sequence[str], rows: Iterable[_Row]) -> Iterator[_Cell]:
    sensitive = _sensitive(names)
    for row in rows if sensitive else ():
        for index, name in sensitive:
            if len(row) == len(names):
                yield name, *row[index]


def _sensitive(names: Sequence[str]) -> list[tuple[int, str]]:
    return [(index, name) for index, name in enumerate(names) if is_sensitive_name(name)]


def _of_sql(data: bytes) -> Iterator[_Cell]:
    tables: dict[bytes, list[str]] = {}
    at = 0
    while (found := _STATEMENT.search(data, at)) is not None:
        at = found.end()
        table, written = found["table"].strip(b'`"[]'), found["columns"]
        columns = _columns(written) if written is not None else tables.get(table, [])
        if found["create"] is not None:
            tables[table] = columns
        if found["create"] is not None or not _sensitive(columns):
            continue
        rows: list[_Row] = []
        # What is read as rows is not looked through for statements once more.
        if found["insert"] is not None and (values := _VALUES.match(data, at)) is not None:
            rows, at = _value_lists(data, values.end())
        elif found["copy"] is not None and (begin := _STDIN.match(data, at)) is not None:
            copied = _rows(data, begin.end(), b"\t")
            rows = list(itertools.takewhile(lambda row: data[row[0][0] : row[0][0] + 2] != b"\\.", copied))
            at = rows[-1][-1][1] if rows else at
        yield from _under(columns, rows)


def _columns(written: bytes) -> list[str]:
    """The names that stand first in each element between parentheses."""
    ends = [found.start() for found in _COLUMN_APART.finditer(written) if found.group(1) is not None]
    starts = [0, *(end + 1 for end in ends)]
    found = (_COLUMN.match(written, start) for start in starts[:_MOST_COLUMNS])
    names = [name.group(1).decode("ascii") if name is not None else "" for name in found]
    return [name for name in names if name not in _NO_COLUMNS]


def _value_lists(data: bytes, start: int) -> tuple[list[_Row], int]:
    """The lists behind VALUES, and where they end: where each value's text in quotes lies, nowhere for a value that is
    none."""
    rows: list[_Row] = []
    row: list[tuple[int, int]] = []
    depth, text, end = 0, _NOWHERE, start
    for found in _TOKEN.finditer(data, start):
        end = found.end()
        sign = b"'" if found.start(1) >= 0 else data[found.start() : found.start() + 1]
        if sign == b"(":
            depth += 1
            row, text = ([], _NOWHERE) if depth == 1 else (row, _NOWHERE)
        elif sign == b"'" and depth == 1:
            text = found.span(1)
        elif sign in (b",", b")") and depth == 1:
            row.append(text)
            text = _NOWHERE
        if sign == b")":
            depth -= 1
            rows += [row] if depth == 0 else []
        if len(rows) >= _MOST_ROWS or depth < 0 or (sign == b";" and depth == 0):
            break
    return rows, end
