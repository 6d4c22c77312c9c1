"""Hits to findings: grouping, order of places, status, severity."""

from __future__ import annotations

from dataclasses import replace

import pytest

from imgscan.detect.secrets.findings import LocatedHit, secret_findings
from imgscan.detect.secrets.hits import SecretHit
from imgscan.detect.secrets.keypairs import KeyUse
from imgscan.detect.secrets.scanner import load_scanner
from imgscan.model import Evidence, Location, Place, Severity, SourceLine, Status

SCANNER = load_scanner(trufflehog3=False, cache=None)


def hit(token: str = "sk" + "_live_" + "4eC39HqLyjWDarjtT1zdp7dc") -> SecretHit:
    (found,) = SCANNER.scan_bytes(f"KEY={token}\n".encode(), path="app/settings.txt")
    return found


def at(place: Place, path: str, **more: object) -> Location:
    return Location(**{"place": place, "path": path, **more})  # type: ignore[arg-type]


def test_one_secret_in_many_places_is_one_finding() -> None:
    line = SourceLine(file="Dockerfile", line=7)
    places = [
        at(Place.CONTEXT, ".env", line=1),
        at(Place.DOCKERFILE, "Dockerfile", line=7, dockerfile=line),
        at(Place.ENV, "ENV KEY"),
        at(Place.FILE, "/app/.env", layer=3, status=Status.DELETED),
    ]
    (finding,) = secret_findings(LocatedHit(hit=hit(), location=place) for place in places)
    assert [place.place for place in finding.places] == [Place.FILE, Place.ENV, Place.DOCKERFILE, Place.CONTEXT]
    assert finding.location.path == "/app/.env"
    assert finding.status is Status.DELETED
    assert finding.evidence is Evidence.OBSERVED
    assert finding.places[1].dockerfile == line, "the setting's line is that of the instruction with the same secret"
    assert finding.places[0].dockerfile is None, "a file's layer says where it comes from"


@pytest.mark.parametrize(
    ("use", "severity"),
    [
        pytest.param(None, Severity.INFO, id="nobody-trusts-it"),
        pytest.param(KeyUse(text="its certificate is /a.crt", live=True), Severity.INFO, id="a-certificate"),
        pytest.param(KeyUse(text="/a lets it log in", live=True, login=True), Severity.CRITICAL, id="an-account"),
    ],
)
def test_a_key_that_everybody_has_is_as_bad_as_what_it_opens(use: KeyUse | None, severity: Severity) -> None:
    known = replace(hit(), severity=Severity.INFO, detail="known to everybody: a manual")
    (finding,) = secret_findings([LocatedHit(hit=known, location=at(Place.FILE, "/root/.ssh/id", layer=1), use=use)])
    assert finding.severity is severity


def test_weak_secrets_of_one_file_are_told_apart() -> None:
    history = "".join(f"sshpass -p Kx7{number}mQ2 ssh host\n" for number in range(300, 900))
    hits = SCANNER.scan_bytes(history.encode(), path="root/.bash_history")
    place = at(Place.FILE, "/root/.bash_history", layer=1)
    found = secret_findings(LocatedHit(hit=hit, location=place) for hit in hits)
    assert len(found) == len(hits) > 300, "more than their fingerprints have bits for"
    assert len({finding.fingerprint for finding in found}) == len(found)


@pytest.mark.parametrize(
    ("others", "first"),
    [
        pytest.param([".git/objects/9c/4797!/object"], "config/prod.env", id="before-an-object-of-git"),
        pytest.param([".git/objects/fe/0f90!/object!/config/a.env"], "config/prod.env", id="before-what-git-packs"),
        pytest.param([".git/config"], "config/prod.env", id="before-gits-settings"),
        pytest.param(["backup.tgz!/config/prod.env"], "config/prod.env", id="before-a-member-of-an-archive"),
        pytest.param(["sub/.git/objects/pack/a.pack!/object"], "config/prod.env", id="git-deeper-down"),
        pytest.param([".gitlab/a.env"], ".gitlab/a.env", id="only-called-like-it"),
        pytest.param(["app.jar!/.git/config", "b.env"], "b.env", id="git-in-an-archive"),
    ],
)
@pytest.mark.parametrize("place", [Place.CONTEXT, Place.FILE])
def test_a_file_that_one_can_open_is_told_first(others: list[str], first: str, place: Place) -> None:
    paths = [*others, "config/prod.env"]
    layer = 1 if place is Place.FILE else None
    (finding,) = secret_findings(LocatedHit(hit=hit(), location=at(place, path, layer=layer)) for path in paths)
    assert finding.location.path == first
    assert f"in {first}" in finding.message


def test_an_archive_of_the_project_is_told_before_git() -> None:
    paths = [".git/objects/9c/4797!/object", "backup.tgz!/config/prod.env"]
    (finding,) = secret_findings(LocatedHit(hit=hit(), location=at(Place.CONTEXT, path)) for path in paths)
    assert finding.location.path == "backup.tgz!/config/prod.env"
    assert "which is in the build context" in finding.message


def test_visible_anywhere_is_visible() -> None:
    places = [
        at(Place.FILE, "/a", layer=1, status=Status.DELETED),
        at(Place.FILE, "/b", layer=2, status=Status.VISIBLE),
    ]
    (finding,) = secret_findings(LocatedHit(hit=hit(), location=place) for place in places)
    assert finding.status is Status.VISIBLE


def test_only_in_the_project_is_a_pattern() -> None:
    (finding,) = secret_findings([LocatedHit(hit=hit(), location=at(Place.CONTEXT, ".env", line=1))])
    assert finding.evidence is Evidence.PATTERN


@pytest.mark.parametrize(
    ("other", "severity"),
    [
        pytest.param("/app/settings2.txt", Severity.CRITICAL, id="own-copy"),
        pytest.param("/app/node_modules/x/README.md", Severity.LOW, id="stands-in-a-package-too"),
    ],
)
def test_what_stands_in_a_package_is_everybodys(other: str, severity: Severity) -> None:
    own = replace(hit(), severity=Severity.CRITICAL, proven=False)
    copy = replace(own, severity=severity)
    found = secret_findings(
        [
            LocatedHit(hit=own, location=at(Place.FILE, "/store/ab/cdef", layer=1)),
            LocatedHit(hit=copy, location=at(Place.FILE, other, layer=1)),
        ]
    )
    assert [finding.severity for finding in found] == [severity]


@pytest.mark.parametrize("weak_first", [pytest.param(True, id="weak-one-first"), pytest.param(False, id="worst-first")])
def test_what_is_said_is_true_of_the_worst_place(*, weak_first: bool) -> None:
    alone = replace(hit(), severity=Severity.LOW, detail="of no use without its secret")
    both = replace(hit(), severity=Severity.HIGH, detail="")
    pair = (alone, both) if weak_first else (both, alone)
    places = (at(Place.FILE, f"/{name}", layer=1) for name in "ab")
    located = [LocatedHit(hit=each, location=place) for each, place in zip(pair, places, strict=True)]
    (finding,) = secret_findings(located)
    assert finding.severity is Severity.HIGH
    assert "of no use" not in finding.message


def test_no_representation_shows_the_secret() -> None:
    found = hit()
    located = LocatedHit(hit=found, location=at(Place.FILE, "/a", layer=1))
    plaintext = found.secret.decode()
    assert plaintext not in repr(located)
    assert plaintext not in repr(secret_findings([located]))
