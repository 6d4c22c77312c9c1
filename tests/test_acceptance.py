"""What accepts a finding, what does not, and what is told of entries written in vain."""

from __future__ import annotations

import datetime
from pathlib import Path
from typing import Any

import pytest
from fakes import finding

from imgscan.acceptance import Acceptance, Sought, accept, for_baseline
from imgscan.allowlist import read_allow
from imgscan.config import Table, read_settings, read_tables
from imgscan.errors import InputError
from imgscan.ignores import Ignore, Ignores, join
from imgscan.model import AcceptedBy, Finding, Location, Place, SourceLine
from imgscan.store.baseline import accept_findings, new_baseline

TODAY = datetime.date(2026, 6, 15)
MARK = "imgscan:ignore"


def places(*found: tuple[Place, bool]) -> Finding:
    """A secret in some places, with a mark or without."""
    where = tuple(
        Location(place=place, path=f"{place}/{number}", line=3, mark=MARK if marked else None)
        for number, (place, marked) in enumerate(found)
    )
    return finding(location=where[0], places=where)


FILE, ENV, CONTEXT, DOCKERFILE = Place.FILE, Place.ENV, Place.CONTEXT, Place.DOCKERFILE


@pytest.mark.parametrize(
    ("found", "alone", "trusted"),
    [
        pytest.param([(CONTEXT, True)], True, True, id="project-file"),
        pytest.param([(CONTEXT, True), (CONTEXT, False)], False, False, id="only-one-of-two-files"),
        pytest.param([(FILE, True)], False, True, id="image-alone"),
        pytest.param([(FILE, True), (CONTEXT, True)], True, True, id="copied-into-the-image"),
        pytest.param([(FILE, False), (CONTEXT, True)], False, False, id="bundled-without-its-comment"),
        pytest.param([(FILE, True), (CONTEXT, False)], False, False, id="only-the-image-says-so"),
        pytest.param([(ENV, False), (DOCKERFILE, True)], True, True, id="setting-of-the-dockerfile"),
        pytest.param([(ENV, False), (CONTEXT, True)], False, False, id="setting-that-the-dockerfile-did-not-write"),
        pytest.param([(Place.HISTORY, True)], False, True, id="history-alone"),
        pytest.param([(Place.ATTESTATION, False), (DOCKERFILE, True)], False, False, id="attestation"),
        pytest.param([(FILE, False)], False, False, id="no-mark"),
    ],
)
def test_a_comment_counts_where_the_project_says_so(found: Any, alone: bool, trusted: bool) -> None:
    for image_marks, expected in ((False, alone), (True, trusted)):
        (marked,), notes = accept([places(*found)], Acceptance(image_marks=image_marks, today=TODAY), sought=Sought())
        assert (marked.accepted is not None) is expected
        if marked.accepted is not None:
            assert marked.accepted.by is AcceptedBy.INLINE
            assert MARK in marked.accepted.reason
        asks_in_vain = not expected and any(mark for _, mark in found)
        assert bool(notes) is asks_in_vain


def table(**values: Any) -> Table:
    return Table(value=values, where=".imgscan.toml:3")


@pytest.mark.parametrize(
    ("entry", "fits"),
    [
        pytest.param({"rule": "secret-github-token"}, True, id="rule"),
        pytest.param({"rule": "secret-git*"}, True, id="rules"),
        pytest.param({"rule": "secret-npm-token"}, False, id="other-rule"),
        pytest.param({"fingerprint": "0123456789abcdef"}, True, id="fingerprint"),
        pytest.param({"fingerprint": "0123456789abcde0"}, False, id="other-fingerprint"),
        pytest.param({"path": "app/.env"}, True, id="path"),
        pytest.param({"path": ".env"}, True, id="name"),
        pytest.param({"path": "app/"}, True, id="folder"),
        pytest.param({"path": "tests/"}, False, id="other-folder"),
        pytest.param({"path": ".env", "rule": "secret-npm-token"}, False, id="only-one-of-two"),
        pytest.param({"path": ".env", "expires": TODAY}, True, id="last-day"),
        pytest.param({"path": ".env", "expires": "2026-06-14"}, False, id="day-after"),
    ],
)
def test_an_allowlist_entry_fits(entry: dict[str, Any], fits: bool) -> None:
    where = Location(place=Place.FILE, layer=2, path="/app/.env", line=1)
    found = finding(rule_id="secret-github-token", fingerprint="0123456789abcdef", location=where, places=(where,))
    allow = read_allow([table(**entry, reason="a test key")])
    (marked,), notes = accept([found], Acceptance(allow=allow, today=TODAY), sought=Sought())
    assert (marked.accepted is not None) is fits
    if marked.accepted is not None:
        assert (marked.accepted.by, marked.accepted.reason) == (AcceptedBy.ALLOWLIST, "a test key")
    assert [note for note in notes if "expired" in note] == (
        [".imgscan.toml:3: this entry of [[allow]] expired on 2026-06-14 and does not count"]
        if entry.get("expires") == "2026-06-14"
        else []
    )


def test_a_path_has_to_fit_every_place() -> None:
    inside = Location(place=Place.FILE, path="/srv/a.war", inside=("tests", "key.pem"))
    both = finding(location=inside, places=(inside, Location(place=Place.FILE, path="/app/.env")))
    allow = read_allow([table(path="*.pem", reason="x")])
    assert accept([both], Acceptance(allow=allow, today=TODAY), sought=Sought())[0][0].accepted is None
    one = finding(location=inside, places=(inside,))
    assert accept([one], Acceptance(allow=allow, today=TODAY), sought=Sought())[0][0].accepted is not None


@pytest.mark.parametrize(
    ("entry", "told"),
    [
        pytest.param({"rule": "x"}, "needs a reason", id="no-reason"),
        pytest.param({"reason": "x"}, "needs a criterion", id="no-criterion"),
        pytest.param({"rule": "x", "reason": " "}, "reason is a text", id="empty-reason"),
        pytest.param({"rule": 3, "reason": "x"}, "rule is a text", id="number"),
        pytest.param({"rul": "x", "reason": "x"}, "unknown key 'rul'", id="unknown-key"),
        pytest.param({"path": "!x", "reason": "x"}, "cannot begin with !", id="negation"),
        pytest.param({"path": "/", "reason": "x"}, "names nothing", id="empty-path"),
        pytest.param({"path": "[z-a]", "reason": "x"}, "not a set", id="bad-set"),
        pytest.param({"fingerprint": "xyz", "reason": "x"}, "not a fingerprint", id="fingerprint"),
        pytest.param({"rule": "x", "reason": "x", "expires": "soon"}, "expires is a day", id="date"),
        pytest.param({"rule": "x", "reason": "x", "expires": "2026-02-30"}, "expires is a day", id="no-such-day"),
    ],
)
def test_a_wrong_entry_is_an_error_with_its_line(entry: dict[str, Any], told: str) -> None:
    with pytest.raises(InputError, match=rf"^\.imgscan\.toml:3: .*{told}"):
        read_allow([table(**entry)])


def test_entries_are_read_with_their_lines(tmp_path: Path) -> None:
    own, project = tmp_path / ".imgscan.toml", tmp_path / "pyproject.toml"
    own.write_text('repeats = 1\n\n[[allow]]\nrule = "a"\nreason = "b"\n\n[[ allow ]]\nrule = "c"\nreason = "d"\n')
    project.write_text('[tool.imgscan]\nrepeats = 2\n[[tool.imgscan.allow]]\nrule = "e"\nreason = "f"\n')
    entries = read_allow(read_tables([own, project], "allow"))
    assert [(entry.rule, entry.where) for entry in entries] == [
        ("a", f"{own}:3"),
        ("c", f"{own}:7"),
        ("e", f"{project}:3"),
    ]
    assert read_settings([own, project], ["repeats"])["repeats"].value == 1
    own.write_text('allow = [{rule = "a", reason = "b"}]\n')
    assert [entry.where for entry in read_allow(read_tables([own], "allow"))] == [f"{own}: allow 1"]
    own.write_text("allow = 3\n")
    with pytest.raises(InputError, match="list of tables"):
        read_tables([own], "allow")


def test_a_misspelt_rule_is_told() -> None:
    allow = read_allow([table(rule="secret-gihub-token", reason="x")])
    acceptance = Acceptance(allow=allow, rule_ids={"secret-github-token"}, today=TODAY)
    _, notes = accept([], acceptance, sought=Sought())
    assert notes == (".imgscan.toml:3: there is no rule 'secret-gihub-token'; did you mean 'secret-github-token'?",)


def test_a_baseline_accepts_exactly_its_findings_and_tells_what_is_stale() -> None:
    kept, gone, fresh = (finding(fingerprint=f"{number:016x}") for number in range(3))
    baseline = accept_findings(new_baseline("b.json"), [kept, gone], reason="known", expires=None)
    marked, notes = accept([kept, fresh], Acceptance(baseline=baseline, today=TODAY), sought=Sought())
    assert [f.accepted.by if f.accepted else None for f in marked] == [AcceptedBy.BASELINE, None]
    (note,) = notes
    assert note.startswith("b.json: ")
    assert "matches nothing any more" in note
    assert accept([kept], Acceptance(baseline=baseline, today=TODAY, tell_stale=False), sought=Sought())[1] == ()
    assert accept([kept], Acceptance(baseline=baseline, today=TODAY), sought=Sought(whole=False))[1] == ()
    assert accept([kept], Acceptance(baseline=baseline, today=TODAY), sought=Sought(places={Place.CONTEXT}))[1] == ()


def test_an_expired_entry_counts_no_more() -> None:
    baseline = accept_findings(new_baseline("b.json"), [finding()], reason="x", expires=datetime.date(2026, 6, 14))
    (marked,), (note,) = accept([finding()], Acceptance(baseline=baseline, today=TODAY), sought=Sought())
    assert marked.accepted is None
    assert "expired on 2026-06-14" in note


def test_what_a_comment_accepts_is_left_to_it() -> None:
    marked, _ = accept(
        [places((CONTEXT, True)), finding(fingerprint="1" * 16)], Acceptance(today=TODAY), sought=Sought()
    )
    assert [f.fingerprint for f in for_baseline(marked)] == ["1" * 16]
    baseline = accept_findings(new_baseline("b"), marked, reason=None, expires=None)
    again, _ = accept(marked[1:], Acceptance(baseline=baseline, today=TODAY), sought=Sought())
    assert len(for_baseline(again)) == 1


def test_notes_are_bounded() -> None:
    stale = [finding(fingerprint=f"{number:016x}") for number in range(1000)]
    baseline = accept_findings(new_baseline("b"), stale, reason="x", expires=None)
    _, notes = accept([], Acceptance(baseline=baseline, today=TODAY), sought=Sought())
    assert len(notes) == 21
    assert notes[-1] == "and 980 more like this"


def comment(rules: str, line: int, about: int | None, file: str = "Dockerfile") -> Ignores:
    """A comment about one line of a file, or about what has none there."""
    at = about or 0
    entry = Ignore(
        rules=tuple(rules.split()), reason="why", file=file, line=line, first=at, last=at, head=about is None
    )
    return Ignores(entries=(entry,), dockerfile=file)


def at(rule: str, place: Place, path: str, line: int | None, made: int | None = None) -> Finding:
    """A finding at one place, which a line of the Dockerfile made if `made`."""
    dockerfile = SourceLine(file="Dockerfile", line=made) if made else None
    where = Location(place=place, path=path, line=line, dockerfile=dockerfile)
    return finding(rule_id=rule, location=where, places=(where,))


COMPOSE, SCRIPT, CONFIG = Place.COMPOSE, Place.SCRIPT, Place.CONFIG


@pytest.mark.parametrize(
    ("found", "ignores", "counts"),
    [
        pytest.param(at("a", DOCKERFILE, "Dockerfile", 3), comment("a", 2, 3), True, id="its-line"),
        pytest.param(at("a", DOCKERFILE, "Dockerfile", 3), comment("b a", 2, 3), True, id="one-of-two-rules"),
        pytest.param(at("a", DOCKERFILE, "Dockerfile", 4), comment("a", 2, 3), False, id="another-line"),
        pytest.param(at("b", DOCKERFILE, "Dockerfile", 3), comment("a", 2, 3), False, id="another-rule"),
        pytest.param(at("a", DOCKERFILE, "web/Dockerfile", 3), comment("a", 2, 3), False, id="another-file"),
        pytest.param(at("a", COMPOSE, "c.yml", 3), comment("a", 2, 3, "c.yml"), True, id="compose"),
        pytest.param(at("a", SCRIPT, "x.sh", 3), comment("a", 2, 3, "x.sh"), True, id="script"),
        pytest.param(at("a", CONTEXT, ".dockerignore", None), comment("a", 1, None, ".dockerignore"), True, id="head"),
        pytest.param(at("a", CONTEXT, ".dockerignore", None), comment("a", 2, 3, ".dockerignore"), False, id="no-head"),
        pytest.param(at("a", FILE, "/x", 3, made=5), comment("a", 4, 5), True, id="file-that-a-line-made"),
        pytest.param(at("a", FILE, "/x", 5, made=7), comment("a", 4, 5), False, id="file-that-another-line-made"),
        pytest.param(at("a", CONFIG, "User", None, made=5), comment("a", 4, 5), True, id="setting-that-a-line-made"),
        pytest.param(at("a", CONFIG, "Healthcheck", None), comment("a", 1, None), True, id="setting-that-no-line-made"),
        pytest.param(at("a", CONFIG, "Healthcheck", None), comment("a", 4, 5), False, id="setting-and-another-line"),
        pytest.param(at("secret-x", DOCKERFILE, "Dockerfile", 3), comment("secret-x", 2, 3), True, id="own-secret"),
        pytest.param(at("secret-x", FILE, "/x", 3, made=5), comment("secret-x", 4, 5), False, id="secret-of-the-image"),
    ],
)
def test_a_comment_of_the_project_accepts_what_it_is_about(found: Finding, ignores: Ignores, counts: bool) -> None:
    (marked,), notes = accept([found], Acceptance(today=TODAY), sought=Sought(whole=False), ignores=ignores)
    assert (marked.accepted is not None) is counts
    assert notes == ()
    if marked.accepted is not None:
        (entry,) = ignores.entries
        assert (marked.accepted.by, marked.accepted.reason) == (AcceptedBy.INLINE, f"why ({entry.where})")


@pytest.mark.parametrize(
    ("rule", "lines", "accepted"),
    [
        pytest.param("a", (3,), True, id="where-it-is-shown"),
        pytest.param("a", (9,), False, id="elsewhere"),
        pytest.param("a", (3, 9), True, id="everywhere"),
        pytest.param("secret-x", (3,), False, id="secret-at-one-place"),
        pytest.param("secret-x", (3, 9), True, id="secret-everywhere"),
    ],
)
def test_where_a_comment_has_to_be(rule: str, lines: tuple[int, ...], accepted: bool) -> None:
    where = tuple(Location(place=COMPOSE, path="c.yml", line=line) for line in (3, 9))
    both = finding(rule_id=rule, location=where[0], places=where)
    ignores = join(comment(rule, line - 1, line, "c.yml") for line in lines)
    (marked,), notes = accept([both], Acceptance(today=TODAY), sought=Sought(), ignores=ignores)
    assert (marked.accepted is not None) is accepted
    assert ["elsewhere and counts" in note for note in notes] == ([] if accepted else [True])


@pytest.mark.parametrize(
    ("ignores", "sought", "told"),
    [
        pytest.param(comment("net-links", 2, 3), Sought(), "accepts no finding of net-links any more", id="idle"),
        pytest.param(comment("net-links", 2, 3), Sought(whole=False), "", id="not-all-was-looked-at"),
        pytest.param(comment("net-links", 2, 3), Sought(not_for={"net-links"}), "", id="not-looked-for"),
        pytest.param(
            comment("net-link", 2, 3), Sought(), "no rule 'net-link'; did you mean 'net-links'?", id="unknown"
        ),
        pytest.param(comment("qq", 2, 3), Sought(), "no rule 'qq'", id="unlike-any"),
        pytest.param(Ignores(faults=("x:1: wrong",)), Sought(whole=False), "x:1: wrong", id="fault"),
    ],
)
def test_comments_written_in_vain_are_told(ignores: Ignores, sought: Sought, told: str) -> None:
    acceptance = Acceptance(rule_ids={"net-links"}, today=TODAY)
    _, notes = accept([], acceptance, sought=sought, ignores=ignores)
    assert len(notes) == bool(told)
    assert told in "".join(notes)


def test_what_is_told_of_comments_is_bounded() -> None:
    many = join(comment(" ".join(f"rule-{n}" for n in range(50)), line, line) for line in range(1, 200))
    _, notes = accept([], Acceptance(rule_ids={"net-links"}, today=TODAY), sought=Sought(), ignores=many)
    assert len(notes) == 21
