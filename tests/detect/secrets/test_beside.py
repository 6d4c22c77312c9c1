"""What stands beside a secret: found wherever its block is cut, and at a cost that the number of secrets does not
multiply."""

from __future__ import annotations

import random
import string
import time
from collections.abc import Iterator
from functools import partial

import pytest
from hypothesis import given
from hypothesis import strategies as st

from imgscan.detect.secrets.beside import NEAR_LINES, Neighbour, Neighbours, beside
from imgscan.detect.secrets.scanner import load_scanner

SECRET = "".join(random.Random(7).choices(string.ascii_letters + string.digits, k=40))


@pytest.mark.parametrize(
    ("name", "text", "words"),
    [
        ("DB_PASSWORD", "DB_USER=app", "DB_USER stands beside it"),
        ("dbPassword", "dbUser: app\ndbHost: db1", "dbUser and dbHost stand beside it"),
        ("spring.datasource.password", "spring.datasource.username=app", "spring.datasource.username stands beside it"),
        ("POSTGRES_PASSWORD", "POSTGRES_USER=a\nPOSTGRES_DB=b\n", "POSTGRES_USER and POSTGRES_DB stand beside it"),
        (
            "AZURE_CLIENT_SECRET",
            "AZURE_TENANT_ID=x\nAZURE_CLIENT_ID=y",
            "AZURE_CLIENT_ID and AZURE_TENANT_ID stand beside it",
        ),
        ("TWILIO_AUTH_TOKEN", "TWILIO_ACCOUNT_SID=x", "TWILIO_ACCOUNT_SID stands beside it"),
        ("PGPASSWORD", "export PGHOST='pg.example.com' PGUSER=x", "PGUSER and PGHOST (pg.example.com) stand beside it"),
        ("DB_PASSWORD", "MAIL_USER=app\nUSER=x\nDB_USERS=9", ""),
        ("DB_PASSWORD", 'DB_HOST="${HOST}"\n', "DB_HOST stands beside it"),
        ("DB_PASSWORD", f"DB_HOST={SECRET}\n", "DB_HOST stands beside it"),
        ("TOKEN", "USER=x", ""),
        ("", "USER=x", ""),
    ],
)
def test_what_stands_beside_a_secret(name: str, text: str, words: str) -> None:
    assert beside(name, Neighbours(text.encode()).all) == words


@pytest.mark.parametrize("text", ["A" * 8192, "A_" * 4096, "DB_HOST=" * 1024, 'a"  ' * 2048, "a.b-" * 2048])
def test_hostile_text_takes_bounded_time(text: str) -> None:
    begun = time.process_time()
    around = Neighbours(text.encode())
    for at in range(0, len(text), 40):
        beside("DB_PASSWORD", partial(around.near, at))
    assert time.process_time() - begun < 2


@pytest.mark.parametrize(
    ("lines", "is_near"),
    [
        pytest.param(0, True, id="the same line"),
        pytest.param(1, True, id="the next line"),
        pytest.param(NEAR_LINES, True, id="the last that is near"),
        pytest.param(NEAR_LINES + 1, False, id="the first that is not"),
    ],
)
@pytest.mark.parametrize("before", [True, False])
@pytest.mark.parametrize("filler", ["", "x" * 90], ids=["short lines", "lines in several stretches"])
def test_how_far_is_near(lines: int, is_near: bool, before: bool, filler: str) -> None:
    between = " " + f"{filler}\n" * lines
    user, secret = "DB_USER=app", "DB_PASSWORD=x"
    text = user + between + secret if before else secret + between + user
    around = Neighbours(("#\n" * 3000 + text + "\n#" * 3000).encode())
    at = around.data.index(b"DB_PASSWORD")
    assert ("DB_USER" in around.near(at)) == is_near


@given(st.lists(st.sampled_from(["A=1", "B_C: x", "d.e=>y", "FF", "\n", " ", "x" * 50, "G-h:=z"]), max_size=400))
def test_stretches_have_all_that_the_whole_has(pieces: list[str]) -> None:
    """As long as no value runs on into the next stretch."""
    text = " ".join(pieces).encode()
    around = Neighbours(text)
    assert set(around.all()) == {
        {"A": "A", "B_C": "B_C", "d.e": "D_E", "G-h": "G_H"}[piece.split("=")[0].split(":")[0]]
        for piece in pieces
        if "=" in piece or ":" in piece
    }
    for at in range(0, len(text), 997):
        assert (
            around.near(at).items() <= {each.plain: each for each in reversed([*around._between(0, len(text))])}.items()
        )


def test_many_secrets_close_together_are_not_each_compared_with_all(monkeypatch: pytest.MonkeyPatch) -> None:
    """A stretch of a block is looked through once, however many secrets lie around it."""
    scanner = load_scanner(trufflehog3=False)
    searched: list[int] = []
    find = Neighbours._find

    def counted(self: Neighbours, begin: int) -> Iterator[Neighbour]:
        searched.append(begin)
        return find(self, begin)

    monkeypatch.setattr(Neighbours, "_find", counted)
    text = "".join(f"DB_PASSWORD={SECRET[:16]}{number} " for number in range(900))
    assert len(scanner.scan_bytes(text.encode(), path="app/.env")) >= 1
    assert len(searched) == len(set(searched)) > 1
