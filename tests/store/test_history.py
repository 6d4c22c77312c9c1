"""The history: what is new and gone, trends, several writers, both databases, errors that hold no password."""

from __future__ import annotations

import multiprocessing
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path

import pytest
from fakes import finding, report
from postgres import PASSWORD, Server

from imgscan.errors import EngineError, InputError
from imgscan.model import Accepted, AcceptedBy, Finding, Report
from imgscan.store.history import open_history

AT = "2026-05-04T03:02:01+00:00"


def found(*names: str, complete: bool = True, **changes: object) -> Report:
    findings = tuple(finding(fingerprint=name * 16, message=f"thing {name}") for name in names)
    return report(findings=findings, complete=complete, **changes)


def prints(findings: tuple[Finding, ...]) -> str:
    return "".join(sorted(one.fingerprint[0] for one in findings))


Say = Callable[[Report], tuple[str, str, int]]


@pytest.fixture
def say(url: str) -> Say:
    def record(shown: Report) -> tuple[str, str, int]:
        with open_history(url) as opened:
            got = opened.record(shown, "shop", AT)
        return prints(got.new), "".join(sorted(gone.fingerprint[0] for gone in got.gone)), got.standing

    return record


def test_what_is_new_what_is_gone_what_stands(say: Say) -> None:
    assert say(found("a", "b")) == ("ab", "", 0)
    assert say(found("b", "c")) == ("c", "a", 1)
    assert say(found("b", "c")) == ("", "", 2)
    assert say(found("a", "b", "c")) == ("a", "", 2)


def test_what_was_not_looked_at_is_not_gone(say: Say) -> None:
    say(found("a", "b"))
    assert say(found("b", complete=False)) == ("", "", 1)
    assert say(found("b")) == ("", "a", 1)


def test_what_is_accepted_goes(say: Say) -> None:
    say(found("a"))
    accepted = replace(found("a").findings[0], accepted=Accepted(by=AcceptedBy.BASELINE, reason="known"))
    assert say(report(findings=(accepted,), complete=True)) == ("", "a", 0)


def test_the_first_run_says_so_and_targets_are_apart(url: str) -> None:
    with open_history(url) as opened:
        assert opened.record(found("a"), "shop", AT).first
        assert not opened.record(found("a"), "shop", AT).first
        other = opened.record(found("a"), "other", AT)
        assert other.first
        assert prints(other.new) == "a"
        assert opened.targets() == [("other", 1, AT), ("shop", 2, AT)]


def test_runs_come_oldest_first_with_their_figures(url: str) -> None:
    with open_history(url) as opened:
        for label in ("one", "two", "three"):
            opened.record(found("a"), "shop", AT, label)
        runs = opened.runs("shop", 2)
    assert [run.label for run in runs] == ["two", "three"]
    assert runs[0].figures["size-bytes"] == 110_000_000
    assert runs[0].figures["seconds-touch-source"] == 8.4
    assert runs[0].figures["findings-critical"] == 1
    assert runs[0].figures["findings-high"] == 0


def test_old_runs_can_be_forgotten_and_what_stands_stays(url: str, say: Say) -> None:
    for names in ("ab", "b", "b", "b"):
        say(found(*names))
    with open_history(url) as opened:
        assert opened.keep("shop", 1) == 3
        assert opened.keep("shop", 1) == 0
        assert len(opened.runs("shop", 10)) == 1
    assert say(found("b")) == ("", "", 1)


def test_many_findings(say: Say) -> None:
    many = report(findings=tuple(finding(fingerprint=f"{at:016x}") for at in range(3000)), complete=True)
    new, _, standing = say(many)
    assert (len(new), standing) == (3000, 0)
    assert say(many) == ("", "", 3000)
    assert say(found())[2] == 0


HOSTILE = ["nul \0 in it", "half \ud83d", "'; DROP TABLE imgscan_runs; --", "%s %(x)s :x"]


@pytest.mark.parametrize("text", HOSTILE, ids=["nul", "surrogate", "sql", "parameters"])
def test_texts_are_texts(text: str, url: str) -> None:
    with open_history(url) as opened:
        opened.record(report(findings=(finding(message=text),), complete=True), "shop", AT)
        (gone,) = opened.record(found(), "shop", AT).gone
    assert gone.message


def _record(url: str, name: str, times: int) -> None:
    with open_history(url) as opened:
        for _ in range(times):
            opened.record(found(name, "x"), "shop", AT, name)


def test_two_processes_record_at_once_and_nothing_is_lost(url: str) -> None:
    context = multiprocessing.get_context("spawn")
    workers = [context.Process(target=_record, args=(url, name, 10)) for name in "ab"]
    for worker in workers:
        worker.start()
    for worker in workers:
        worker.join(120)
    assert [worker.exitcode for worker in workers] == [0, 0]
    with open_history(url) as opened:
        runs = opened.runs("shop", 100)
        assert sorted(run.label or "" for run in runs) == ["a"] * 10 + ["b"] * 10
        assert len({run.id for run in runs}) == 20
        assert prints(opened.record(found("x"), "shop", AT).new) == ""


WRONG = [
    pytest.param("mysql://user:geheim@host/db", "cannot be kept in mysql", id="other-database"),
    pytest.param("sqlite://", "needs a file", id="in-memory"),
    pytest.param("://", "cannot be read", id="no-url"),
    pytest.param("postgresql://user:geheim@host:port/db", "cannot be read", id="no-port"),
    pytest.param("postgresql://user:ge@geheim@host/db", "more than one @", id="at-in-password"),
]


@pytest.mark.parametrize(("address", "told"), WRONG)
def test_addresses_that_will_not_do(address: str, told: str) -> None:
    with pytest.raises(InputError, match=told) as raised, open_history(address):
        pass
    assert "geheim" not in str(raised.value)


def test_a_file_that_is_no_database(tmp_path: Path) -> None:
    (tmp_path / "h").write_text("not a database, but long enough to be looked at as one" * 50)
    with pytest.raises(InputError, match="cannot be used"), open_history(str(tmp_path / "h")):
        pass


@pytest.mark.tools
def test_a_wrong_password_is_an_error_without_it(postgres: Server) -> None:
    wrong = postgres.url.replace(PASSWORD, "wrong-password-here")
    with pytest.raises(EngineError) as raised, open_history(wrong):
        pass
    assert "wrong-password-here" not in f"{raised.value!r} {raised.value.__dict__} {raised.value.__cause__!r}"
    assert "cannot be reached" in str(raised.value)


def test_a_server_that_is_not_there() -> None:
    with pytest.raises(EngineError, match="cannot be reached"), open_history("postgresql://user@127.0.0.1:1/x"):
        pass
