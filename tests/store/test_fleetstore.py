"""A fleet's store: results that are kept, findings over time, several runs at once, retention; with both databases."""

from __future__ import annotations

import sqlite3
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
from postgres import PASSWORD, Server
from store.fleets import DAY_S, at, diff_id, found, image, letters, sealed, told

from imgscan.errors import EngineError, ImgscanError, InputError
from imgscan.fleets import Change, FleetFigures, FleetFinding, Origin, SealedLayer
from imgscan.layers.blocks import CacheDamagedError
from imgscan.model import Severity
from imgscan.store.fleetrecords import RecordedImage
from imgscan.store.fleetstore import FleetStore, default_fleet_url, open_fleet_store
from imgscan.store.fleettables import BLOCKS, IMAGES, LAYERS


class Clock:
    """Seconds since 1970, of a day that a test chooses."""

    def __init__(self) -> None:
        self.day = 20_000

    def __call__(self) -> float:
        return float(self.day * DAY_S + 3600)


@pytest.fixture
def clock() -> Clock:
    return Clock()


@pytest.fixture
def store(url: str, clock: Clock) -> Iterator[FleetStore]:
    with open_fleet_store(url, rules="1", clock=clock) as opened:
        yield opened


def run_of(store: FleetStore, day: int, images: dict[str, str], **changes: Any) -> dict[str, tuple[str, str, str]]:
    """A whole run: names of images with the findings in them -> what was said of each."""
    run = store.begin_run(at(day), version="1", sources=["here"])
    said = {name: told(store.record_image(run, image(name, **changes), found(names))) for name, names in images.items()}
    store.finish_run(run, at(day), FleetFigures(), True)
    return said


def last_run(store: FleetStore) -> int:
    return store.last_runs(1)[0].id


# ---- results ----


def test_layers_are_kept_with_their_blocks(store: FleetStore) -> None:
    assert store.layer(diff_id(1)) is None
    assert store.put_layer(sealed(1))
    assert store.put_layer(sealed(1)), "once more is no error"
    assert store.put_layer(sealed(2, blocks=0))
    assert store.known_layers([diff_id(1), diff_id(2), diff_id(3)]) == {diff_id(1), diff_id(2)}
    got = store.layer(diff_id(1))
    assert got is not None
    summary, blocks = got
    assert summary == sealed(1).summary
    assert [blocks.read(number) for number in (2, 0, 1)] == [sealed(1).blocks[number] for number in (2, 0, 1)]


def test_what_was_proven_is_kept_with_the_layer(store: FleetStore) -> None:
    one, two = (SealedLayer(diff_id=f"sha256:{digit * 64}", summary=b"s", blocks=()) for digit in "12")
    store.put_layer(one)
    for layer in (one, one, two):
        store.prove(layer.diff_id, "sha256:aa")
    store.prove(one.diff_id, "no digest")
    assert store.proven(["sha256:aa", "sha256:bb", "no digest", ""]) == {(one.diff_id, "sha256:aa")}


def test_a_block_that_is_not_there_is_damage(store: FleetStore) -> None:
    store.put_layer(sealed(1, blocks=1))
    got = store.layer(diff_id(1))
    assert got is not None
    with pytest.raises(CacheDamagedError):
        got[1].read(1)
    assert store.known_layers([diff_id(1)]) == set()


def test_results_of_other_rules_are_not_seen(url: str) -> None:
    with open_fleet_store(url, rules="1") as store:
        store.put_layer(sealed(1))
        store.put_image("app", b"{}", [diff_id(1)])
    with open_fleet_store(url, rules="2") as store:
        assert store.known_layers([diff_id(1)]) == set()
        assert store.layer(diff_id(1)) is None
        assert store.known_images(["app"]) == set()
        assert store.image("app") is None
        store.put_image("app", b"[]", [])
    with open_fleet_store(url, rules="1") as store:
        assert store.known_layers([diff_id(1)]) == {diff_id(1)}
        assert store.image("app") == b"{}"


def test_another_process_sees_results_of_rules_that_were_new_when_it_opened(url: str) -> None:
    with open_fleet_store(url, rules="1") as reader, open_fleet_store(url, rules="1") as writer:
        assert reader.known_layers([diff_id(1)]) == set()
        writer.put_layer(sealed(1))
        assert reader.known_layers([diff_id(1)]) == {diff_id(1)}


def test_what_is_too_large_is_not_kept(url: str) -> None:
    with open_fleet_store(url, rules="1", layer_limit_bytes=20_000) as store:
        assert store.put_layer(sealed(1, blocks=3))
        assert not store.put_layer(sealed(2, blocks=4))
        assert store.known_layers([diff_id(1), diff_id(2)]) == {diff_id(1)}


HOSTILE = ["", "x" * 100_000, "nul \0 in it", "half \ud83d", "'; DROP TABLE imgscan_runs; --", "%s %(x)s :x", "ä\u202e"]
HOSTILE_IDS = ["empty", "long", "nul", "surrogate", "sql", "parameters", "not-ascii"]


@pytest.mark.parametrize("text", HOSTILE, ids=HOSTILE_IDS)
def test_keys_may_be_anything(text: str, store: FleetStore) -> None:
    assert not store.put_layer(sealed(1).__class__(diff_id=text, summary=b"", blocks=()))
    assert store.known_layers([text]) == set()
    assert store.layer(text) is None
    store.put_image(text, b"report", ["sha256:1"])
    assert store.known_images([text, "other"]) == {text}
    assert store.image(text) == b"report"


def test_reports_are_kept_and_replaced(store: FleetStore) -> None:
    large = b"[" + b"1," * 500_000 + b"1]"
    store.put_image("app", b"{}", [])
    store.put_image("app", large, [diff_id(1)])
    assert store.image("app") == large
    assert store.image("other") is None


def test_the_key_for_seals_is_made_once(url: str) -> None:
    with open_fleet_store(url, rules="1") as store, open_fleet_store(url, rules="2") as other:
        key = store.seal_key()
        assert len(key) == 32
        assert other.seal_key() == key == store.seal_key()


DAMAGE = [
    pytest.param(LAYERS, "summary", id="summary"),
    pytest.param(BLOCKS, "data", id="block"),
    pytest.param(IMAGES, "report", id="report"),
]


@pytest.mark.parametrize("stored", [b"", b"x" * 40, "text", None], ids=["empty", "other", "text", "flipped"])
@pytest.mark.parametrize(("table", "column"), DAMAGE)
def test_what_is_damaged_is_as_good_as_not_there(table: Any, column: str, stored: object, tmp_path: Path) -> None:
    path = tmp_path / "f"
    with open_fleet_store(str(path), rules="1") as store:
        store.put_layer(sealed(1, blocks=1))
        store.put_image("app", b"{}", [])
        with sqlite3.connect(path) as connection:
            if stored is None:
                ((stored,),) = connection.execute(f"SELECT {column} FROM {table.name}").fetchall()
                assert isinstance(stored, bytes)
                stored = stored[:-1] + bytes([stored[-1] ^ 1])
            connection.execute(f"UPDATE {table.name} SET {column} = ?", (stored,))
        connection.close()
        if table is IMAGES:
            assert store.image("app") is None
            assert store.known_images(["app"]) == set()
            store.put_image("app", b"{}", [])
            assert store.image("app") == b"{}"
            return
        if table is BLOCKS:
            got = store.layer(diff_id(1))
            assert got is not None
            with pytest.raises(CacheDamagedError):
                got[1].read(0)
        assert store.layer(diff_id(1)) is None
        assert store.known_layers([diff_id(1)]) == set()
        store.put_layer(sealed(1, blocks=1))
        again = store.layer(diff_id(1))
        assert again is not None
        assert again[1].read(0) == sealed(1).blocks[0]


# ---- findings over time ----


def test_what_is_new_what_stands_what_is_fixed(store: FleetStore) -> None:
    assert run_of(store, 0, {"shop": "ab", "desk": "x"}) == {"shop": ("ab", "", ""), "desk": ("x", "", "")}
    assert run_of(store, 1, {"shop": "bc", "desk": "x"}) == {"shop": ("c", "b", "a"), "desk": ("", "x", "")}
    assert run_of(store, 2, {"shop": "bc", "desk": ""}) == {"shop": ("", "bc", ""), "desk": ("", "", "x")}
    assert run_of(store, 3, {"shop": "abc", "desk": ""}) == {"shop": ("a", "bc", ""), "desk": ("", "", "")}
    findings = {finding.fingerprint[0]: finding for finding in store.run_findings(last_run(store))}
    assert {name: (one.first_seen, one.last_seen, one.fixed_at) for name, one in findings.items()} == {
        "a": (at(3), at(3), None),
        "b": (at(0), at(3), None),
        "c": (at(1), at(3), None),
    }


def test_a_fixed_finding_says_when(store: FleetStore) -> None:
    run_of(store, 0, {"shop": "a"})
    run_of(store, 1, {"shop": "a"})
    run_of(store, 4, {"shop": ""})
    (fixed,) = store.run_findings(last_run(store))
    assert fixed == FleetFinding(
        image="shop",
        team="web",
        fingerprint="a" * 16,
        rule_id="secret-x",
        severity=Severity.HIGH,
        message="thing a",
        change=Change.FIXED,
        first_seen=at(0),
        last_seen=at(1),
        fixed_at=at(4),
        layer="sha256:01",
    )


def test_earlier_runs_still_say_what_they_said(store: FleetStore) -> None:
    run_of(store, 0, {"shop": "ab"})
    first = last_run(store)
    run_of(store, 1, {"shop": "b"})
    run_of(store, 2, {"shop": "ab"})
    assert {(one.fingerprint[0], one.change) for one in store.run_findings(first)} == {
        ("a", Change.NEW),
        ("b", Change.NEW),
    }


def test_an_incomplete_image_fixes_nothing(store: FleetStore) -> None:
    run_of(store, 0, {"shop": "ab"})
    assert run_of(store, 1, {"shop": "bc"}, complete=False) == {"shop": ("c", "ab", "")}
    assert run_of(store, 2, {"shop": ""}, complete=False, origin=Origin.FAILED) == {"shop": ("", "abc", "")}
    seen = {one.fingerprint[0]: one.last_seen for one in store.run_findings(last_run(store))}
    assert seen == {"a": at(0), "b": at(1), "c": at(1)}
    assert run_of(store, 3, {"shop": "b"}) == {"shop": ("", "b", "ac")}


def test_a_first_look_says_so(store: FleetStore) -> None:
    run = store.begin_run(at(0), version="1", sources=["here"])
    failed = store.record_image(run, image(complete=False, origin=Origin.FAILED), [])
    assert not failed.first
    store.finish_run(run, at(0), FleetFigures(), False)
    run = store.begin_run(at(1), version="1", sources=["here"])
    recorded = store.record_image(run, image(), found("a"))
    assert recorded.first
    assert [one.first_run for one in recorded.new] == [True]
    assert store.record_image(run, image(), found("a")) == recorded, "once more in the same run"
    store.finish_run(run, at(1), FleetFigures(), True)
    assert [one.first_run for one in store.run_findings(run)] == [True]
    assert store.record_image(run, image(), found("a")) == recorded, "even if it has ended"
    run = store.begin_run(at(2), version="1", sources=["here"])
    recorded = store.record_image(run, image(), found("ab"))
    assert not recorded.first
    assert [one.first_run for one in recorded.new] == [False]


def test_recorded_twice_is_recorded_once(store: FleetStore) -> None:
    run_of(store, 0, {"shop": "ab"})
    run = store.begin_run(at(1), version="1", sources=["here"])
    once = store.record_image(run, image(), found("bc"))
    assert store.record_image(run, image(), found("bc")) == once
    assert told(once) == ("c", "b", "a")
    assert sorted(store.run_findings(run), key=str) == sorted((*once.new, *once.standing, *once.fixed), key=str)
    assert list(store.run_images(run)) == [image()]
    store.finish_run(run, at(1), FleetFigures(), True)
    assert store.record_image(run, image(), found("bc")) == once, "even if it has ended"


def test_recorded_otherwise_in_one_run_the_last_counts(store: FleetStore) -> None:
    run_of(store, 0, {"shop": "ab"})
    run = store.begin_run(at(1), version="1", sources=["here"])
    store.record_image(run, image(), found("c"))
    assert told(store.record_image(run, image(), found("abd"))) == ("d", "ab", "")
    assert told(store.record_image(run, image(), found("bc"))) == ("c", "b", "a")
    store.finish_run(run, at(1), FleetFigures(), True)
    assert run_of(store, 2, {"shop": "bc"}) == {"shop": ("", "bc", "")}


def test_a_run_that_never_ended_told_nothing(store: FleetStore) -> None:
    run_of(store, 0, {"shop": "ab"})
    killed = store.begin_run(at(1), version="1", sources=["here"])
    assert told(store.record_image(killed, image(), found("bc"))) == ("c", "b", "a")
    assert run_of(store, 2, {"shop": "bc"}) == {"shop": ("c", "b", "a")}
    seen = {one.fingerprint[0]: (one.first_seen, one.fixed_at) for one in store.run_findings(last_run(store))}
    assert seen == {"a": (at(0), at(1)), "b": (at(0), None), "c": (at(1), None)}
    assert run_of(store, 3, {"shop": "bc"}) == {"shop": ("", "bc", "")}


def test_what_only_a_killed_run_saw_was_never_there(store: FleetStore) -> None:
    run_of(store, 0, {"shop": "a"})
    killed = store.begin_run(at(1), version="1", sources=["here"])
    store.record_image(killed, image(), found("b"))
    assert run_of(store, 2, {"shop": "a"}) == {"shop": ("", "a", "")}
    assert run_of(store, 3, {"shop": ""}) == {"shop": ("", "", "a")}
    assert run_of(store, 4, {"shop": ""}) == {"shop": ("", "", "")}


def test_two_runs_at_once_both_tell_what_is_new(store: FleetStore) -> None:
    run_of(store, 0, {"shop": "a"})
    one, other = (store.begin_run(at(1), version="1", sources=["here"]) for _ in range(2))
    assert one != other
    assert told(store.record_image(one, image(), found("b"))) == ("b", "", "a")
    assert told(store.record_image(other, image(), found("b"))) == ("b", "", "a")
    store.finish_run(one, at(1), FleetFigures(), True)
    store.finish_run(other, at(1), FleetFigures(), True)
    assert {one.change for one in store.run_findings(one)} == {Change.NEW, Change.FIXED}
    assert run_of(store, 2, {"shop": "b"}) == {"shop": ("", "b", "")}


def test_runs_at_once_that_see_different_images_leave_no_end_told_that_was_none(store: FleetStore) -> None:
    run_of(store, 0, {"shop": "a"})
    one, other = (store.begin_run(at(1), version="1", sources=["here"]) for _ in range(2))
    assert told(store.record_image(one, image(), [])) == ("", "", "a")
    assert told(store.record_image(other, image(), found("a"))) == ("", "a", "")
    store.finish_run(one, at(1), FleetFigures(), True)
    store.finish_run(other, at(1), FleetFigures(), True)
    killed = store.begin_run(at(2), version="1", sources=["here"])
    assert told(store.record_image(killed, image(), [])) == ("", "", "a")
    assert run_of(store, 3, {"shop": ""}) == {"shop": ("", "", "a")}
    assert run_of(store, 4, {"shop": ""}) == {"shop": ("", "", "")}


def test_findings_outlive_the_rules(url: str) -> None:
    with open_fleet_store(url, rules="1") as store:
        run_of(store, 0, {"shop": "ab"})
    with open_fleet_store(url, rules="2") as store:
        assert run_of(store, 1, {"shop": "bc"}) == {"shop": ("c", "b", "a")}
        assert {one.first_seen for one in store.run_findings(last_run(store)) if one.change is Change.STANDING} == {
            at(0)
        }


def test_what_is_accepted_stands_and_is_new_when_it_no_longer_is(store: FleetStore) -> None:
    def say(day: int, **changes: Any) -> tuple[str, str, str]:
        run = store.begin_run(at(day), version="1", sources=["here"])
        recorded = store.record_image(run, image(), found("a", **changes))
        assert store.record_image(run, image(), found("a", **changes)) == recorded
        store.finish_run(run, at(day), FleetFigures(), True)
        return told(recorded)

    assert say(0) == ("a", "", "")
    assert say(1, accepted=True) == ("", "a", "")
    assert say(2, accepted=True) == ("", "a", "")
    assert say(3) == ("a", "", "")
    (again,) = store.run_findings(last_run(store))
    assert (again.first_seen, again.last_seen, again.accepted) == (at(0), at(3), False)
    assert say(4) == ("", "a", "")


def test_details_are_those_of_the_last_look(store: FleetStore) -> None:
    run_of(store, 0, {"shop": "a"})
    run = store.begin_run(at(1), version="1", sources=["here"])
    changes = {"severity": Severity.LOW, "message": "moved", "layer": "sha256:02", "rule_id": "secret-y"}
    (one,) = store.record_image(run, image(), found("a", **changes)).standing
    assert (one.severity, one.message, one.layer, one.rule_id) == (Severity.LOW, "moved", "sha256:02", "secret-y")


def test_one_fingerprint_is_one_finding(store: FleetStore) -> None:
    run = store.begin_run(at(0), version="1", sources=["here"])
    several = [
        *found("a", severity=Severity.CRITICAL, accepted=True),
        *found("a", severity=Severity.LOW),
        *found("a", severity=Severity.HIGH),
    ]
    (one,) = store.record_image(run, image(), several).new
    assert (one.severity, one.accepted) == (Severity.HIGH, False)


def test_the_gravest_come_first_and_many_are_no_trouble(store: FleetStore) -> None:
    run = store.begin_run(at(0), version="1", sources=["here"])
    many = [
        one
        for number in range(1500)
        for one in found("a", fingerprint=f"{number:016x}", severity=list(Severity)[number % 5])
    ]
    assert len(store.record_image(run, image(), many).new) == 1500
    ranks = [one.severity.rank for one in store.run_findings(run)]
    assert len(ranks) == 1500
    assert ranks == sorted(ranks, reverse=True)
    assert len(store.record_image(run, image(), []).fixed) == 0, "nobody was told of them"


@pytest.mark.parametrize("text", HOSTILE, ids=HOSTILE_IDS)
def test_texts_are_texts(text: str, store: FleetStore) -> None:
    hostile = image(text, team=text, ref=text, error=text, layers=(text,), created=text)
    findings = found("a", message=text, fingerprint=text, layer=text, rule_id=text)

    def say(day: int) -> tuple[int, RecordedImage]:
        run = store.begin_run(at(day), version="1", sources=[text])
        recorded = store.record_image(run, hostile, findings)
        store.finish_run(run, at(day), FleetFigures(), True)
        return run, recorded

    say(0)
    run, recorded = say(1)
    assert (len(recorded.new), len(recorded.standing), len(recorded.fixed)) == (0, 1, 0)
    assert len(list(store.run_images(run))) == 1
    assert len(list(store.run_findings(run))) == 1
    store.record_image(run, image(text + "2"), [])
    assert len(list(store.run_images(run))) == 2


# ---- runs ----


def test_runs_say_what_they_were(store: FleetStore) -> None:
    figures = FleetFigures(images=3, bytes_read=1 << 40, seconds=1.5)
    run = store.begin_run(at(0), version="1.2", sources=["there", "here"])
    store.finish_run(run, at(1), figures, True)
    under_way = store.begin_run(at(2), version="1.2", sources=["here"])
    first, second = store.last_runs(5)
    assert (first.id, first.sources, first.version) == (run, ("here", "there"), "1.2")
    assert (first.started_at, first.finished_at, first.complete, first.figures) == (at(0), at(1), True, figures)
    assert (second.id, second.finished_at, second.complete) == (under_way, None, False)
    assert store.last_runs(1) == [second]


def test_a_run_that_is_not_there(store: FleetStore) -> None:
    with pytest.raises(InputError, match="has no run 7"):
        store.record_image(7, image(), [])
    with pytest.raises(InputError, match="has no run 7"):
        store.finish_run(7, at(0), FleetFigures(), True)
    assert list(store.run_images(7)) == []
    assert list(store.run_findings(7)) == []


def test_logins_in_sources_are_not_kept(store: FleetStore) -> None:
    secret = "-".join(("ge", "heim"))
    sources = [f"registry://me:{secret}@host/app", "docker://app:1@sha256:00", "registry://host/a@sha256:00"]
    store.begin_run(at(0), version="1", sources=sources)
    assert store.last_runs(1)[0].sources == (
        "docker://app:1@sha256:00",
        "registry://host/a@sha256:00",
        "registry://host/app",
    )


def test_names_that_are_gone_are_told_once(store: FleetStore) -> None:
    run_of(store, 0, {"shop": "a", "desk": "b"})
    run = store.begin_run(at(1), version="1", sources=["here"])
    store.record_image(run, image("shop"), found("a"))
    assert store.finish_run(run, at(1), FleetFigures(), True) == ("desk",)
    assert store.finish_run(run, at(9), FleetFigures(), True) == ("desk",), "a run ends once"
    assert store.last_runs(1)[0].gone == ("desk",)
    assert letters(store.run_findings(run)) == "a", "what is gone neither stands nor is fixed"
    run_of(store, 2, {"shop": "a"})
    assert store.last_runs(1)[0].gone == ()
    assert run_of(store, 3, {"shop": "a", "desk": "bc"})["desk"] == ("c", "b", "")


def test_names_are_gone_only_from_the_sources_that_had_them(store: FleetStore) -> None:
    run_of(store, 0, {"shop": "a"})
    other = store.begin_run(at(1), version="1", sources=["elsewhere"])
    store.record_image(other, image("desk"), [])
    assert store.finish_run(other, at(1), FleetFigures(), True) == ()
    run = store.begin_run(at(2), version="1", sources=["here"])
    assert store.finish_run(run, at(2), FleetFigures(), False) == (), "who knows what was not listed"
    run = store.begin_run(at(3), version="1", sources=["here"])
    assert store.finish_run(run, at(3), FleetFigures(), False, listed=True) == ("shop",)


def test_names_that_a_run_beside_it_has_are_not_gone(store: FleetStore) -> None:
    one, other = (store.begin_run(at(1), version="1", sources=["here"]) for _ in range(2))
    store.record_image(other, image("desk"), [])
    store.record_image(one, image("shop"), [])
    assert store.finish_run(one, at(1), FleetFigures(), True) == ()
    assert store.finish_run(other, at(1), FleetFigures(), True) == ("shop",)


def test_the_report_of_an_image_in_a_run_is_that_of_its_rules(url: str) -> None:
    with open_fleet_store(url, rules="1") as store:
        run_of(store, 0, {"shop": "a"})
        store.put_image("key of shop", b"old", [])
        old = last_run(store)
    with open_fleet_store(url, rules="2") as store:
        store.put_image("key of shop", b"new", [])
        assert store.image_in_run(old, "shop") == b"old"
        assert store.image_in_run(old, "desk") is None
        assert store.image("key of shop") == b"new"


def test_a_damaged_run_is_told(tmp_path: Path) -> None:
    with open_fleet_store(str(tmp_path / "f"), rules="1") as store:
        run_of(store, 0, {"shop": "a"})
        with sqlite3.connect(tmp_path / "f") as connection:
            connection.execute("UPDATE imgscan_fleet_run_images SET record = x'00'")
        connection.close()
        with pytest.raises(InputError, match="is damaged, or"):
            list(store.run_images(last_run(store)))


# ---- retention ----


def test_results_that_nobody_uses_are_removed(store: FleetStore, clock: Clock) -> None:
    for number in range(4):
        store.put_layer(sealed(number))
    store.put_image("app", b"{}", [diff_id(3)])
    store.put_image("old", b"{}", [diff_id(1)])
    clock.day += 20
    assert store.layer(diff_id(0)) is not None
    assert store.known_images(["app"]) == {"app"}
    clock.day += 20
    pruned = store.prune(days=30)
    assert (pruned.layers, pruned.image_results) == (2, 1)
    assert store.known_layers(map(diff_id, range(4))) == {diff_id(0), diff_id(3)}
    assert store.known_images(["app", "old"]) == {"app"}
    assert store.prune(days=30) == store.prune(days=30)


def test_blocks_of_a_layer_that_was_removed_are_not_those_of_another(store: FleetStore, clock: Clock) -> None:
    store.put_layer(sealed(1))
    got = store.layer(diff_id(1))
    assert got is not None
    store.note_used()
    clock.day += 40
    assert store.prune().layers == 1
    store.put_layer(sealed(2))
    with pytest.raises(CacheDamagedError):
        got[1].read(0)
    assert store.known_layers([diff_id(2)]) == {diff_id(2)}


def test_results_of_other_rules_go_earlier(url: str, clock: Clock) -> None:
    with open_fleet_store(url, rules="1", clock=clock) as store:
        store.put_layer(sealed(1))
        store.put_image("app", b"{}", [diff_id(1)])
        run_of(store, 0, {"shop": "a"})
        store.put_image("key of shop", b"{}", [])
        old = last_run(store)
    clock.day += 8
    with open_fleet_store(url, rules="2", clock=clock) as store:
        store.put_layer(sealed(1))
        pruned = store.prune()
        assert (pruned.layers, pruned.image_results) == (1, 1)
        assert store.image_in_run(old, "shop") == b"{}", "a run that is kept has its reports"
        assert store.known_layers([diff_id(1)]) == {diff_id(1)}


def test_runs_are_forgotten_and_what_they_told_is_not(store: FleetStore, clock: Clock) -> None:
    run_of(store, 0, {"shop": "ab", "desk": "x"})
    store.begin_run(at(0), version="1", sources=["here"])
    for day in range(1, 4):
        run_of(store, day, {"shop": "b", "desk": "x"})
    clock.day = 365 * 60
    pruned = store.prune(runs=2)
    assert (pruned.runs, pruned.findings, pruned.names) == (3, 1, 0)
    assert [run.started_at for run in store.last_runs(9)] == [at(2), at(3)]
    assert store.prune(runs=2).runs == 0
    assert run_of(store, 4, {"shop": "ab", "desk": ""}) == {"shop": ("a", "b", ""), "desk": ("", "", "x")}
    (one,) = [one for one in store.run_findings(last_run(store)) if one.change is Change.STANDING]
    assert (one.first_seen, one.first_run) == (at(0), False)


def test_what_a_kept_run_told_stays_when_the_run_that_saw_it_goes(store: FleetStore, clock: Clock) -> None:
    run_of(store, 0, {"shop": "a"})
    store.record_image(store.begin_run(at(1), version="1", sources=["here"]), image(), [])
    run_of(store, 2, {"shop": ""})
    clock.day = 365 * 60
    assert (store.prune(runs=1).runs, store.prune(runs=1).findings) == (2, 0)
    assert [one.change for one in store.run_findings(last_run(store))] == [Change.FIXED]


def test_what_a_kept_run_saw_stays_when_an_earlier_one_says_later_that_it_is_fixed(
    store: FleetStore, clock: Clock
) -> None:
    run_of(store, 0, {"shop": "a"})
    earlier, later = (store.begin_run(at(day), version="1", sources=["here"]) for day in (1, 2))
    assert told(store.record_image(later, image(), found("a"))) == ("", "a", "")
    assert told(store.record_image(earlier, image(), [])) == ("", "", "a")
    store.finish_run(earlier, at(1), FleetFigures(), True)
    store.finish_run(later, at(2), FleetFigures(), True)
    clock.day = 365 * 60
    assert store.prune(runs=1).runs == 2
    assert [one.change for one in store.run_findings(later)] == [Change.STANDING]


def test_each_set_of_sources_keeps_its_runs(store: FleetStore) -> None:
    run_of(store, 0, {"shop": "a"})
    for day in range(1, 4):
        run = store.begin_run(at(day), version="1", sources=["elsewhere"])
        store.finish_run(run, at(day), FleetFigures(), True)
    assert store.prune(runs=1, days=0).runs == 2
    assert [run.sources for run in store.last_runs(9)] == [("here",), ("elsewhere",)]


def test_names_that_are_long_gone_are_forgotten_with_their_findings(store: FleetStore, clock: Clock) -> None:
    run_of(store, 0, {"shop": "a", "desk": "b"})
    run_of(store, 1, {"shop": "a"})
    assert store.prune(runs=1, days=30).names == 0, "not long enough"
    clock.day = 365 * 60
    assert store.prune(runs=1, days=30).names == 1
    assert run_of(store, 2, {"shop": "a", "desk": "b"}) == {"shop": ("", "a", ""), "desk": ("b", "", "")}


def test_room_is_given_back(tmp_path: Path, clock: Clock) -> None:
    path = tmp_path / "f"
    with open_fleet_store(str(path), rules="1", clock=clock) as store:
        for number in range(40):
            store.put_layer(sealed(number, size_bytes=50_000))
    before = path.stat().st_size
    clock.day += 40
    with open_fleet_store(str(path), rules="1", clock=clock) as store:
        assert store.prune().layers == 40
    assert path.stat().st_size * 4 < before


# ---- files and addresses ----


def test_the_files_are_for_their_owner_alone(tmp_path: Path) -> None:
    path = tmp_path / "new" / "f.sqlite3"
    with open_fleet_store(str(path), rules="1") as store:
        store.put_layer(sealed(1))
        modes = {one.name: one.stat().st_mode & 0o777 for one in path.parent.iterdir()}
    assert modes == dict.fromkeys(("f.sqlite3", "f.sqlite3-wal", "f.sqlite3-shm"), 0o600)
    assert path.parent.stat().st_mode & 0o777 == 0o700


def test_it_lies_beside_the_history() -> None:
    assert default_fleet_url().endswith("/imgscan/fleet.sqlite3")


WRONG = [
    pytest.param("mysql://user:{}@host/db", id="other-database"),
    pytest.param("postgresql://user:{}@127.0.0.1:1/db", id="nobody-there"),
    pytest.param("postgresql://user:x@{}@127.0.0.1:1/db", id="at-in-password"),
    pytest.param("postgresql://user:{}@host:port/db", id="no-port"),
    pytest.param("postgresql://127.0.0.1:1/db?password={}", id="as-a-parameter"),
    pytest.param("postgresql://user@127.0.0.1:1/db?sslmode={}", id="wrong-parameter"),
    pytest.param("postgresql://user:{}@127.0.0.1:1/db?sslpassword={}&nonsense=1", id="unknown-parameter"),
]


@pytest.mark.parametrize("address", WRONG)
def test_no_error_holds_a_password(address: str) -> None:
    secret = "-".join(("very", "geheim"))
    wrong = address.replace("{}", "disable" if "sslmode" in address else secret)
    with pytest.raises(ImgscanError) as raised, open_fleet_store(wrong, rules="1"):
        pass
    error = raised.value
    assert secret not in f"{error!r} {error.__dict__} {error.__cause__!r}"


@pytest.mark.tools
def test_a_wrong_password_is_an_error_without_it(postgres: Server) -> None:
    secret = "-".join(("very", "geheim"))
    wrong = postgres.url.replace(PASSWORD, secret)
    with pytest.raises(EngineError, match="cannot be reached") as raised, open_fleet_store(wrong, rules="1"):
        pass
    assert "password authentication failed" in raised.value.cause
    assert secret not in f"{raised.value!r} {raised.value.__dict__}"
