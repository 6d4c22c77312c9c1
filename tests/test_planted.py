"""A secret in every kind of place of an image that a real engine builds: all of them found, each told to be where it
is, and none of them anywhere in what imgscan writes."""

from __future__ import annotations

import json
import os
import subprocess
import sys
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import pytest
from builds import Builds, save
from planted import Planted, Plot, plot

from imgscan.detect.secrets.examples import assemble
from imgscan.detect.secrets.rules import own_pack
from imgscan.engine import Engine

pytestmark = [pytest.mark.engine, pytest.mark.company]


@dataclass(frozen=True)
class Scanned:
    """A report as JSON, and everything else that was written."""

    report: dict[str, Any]
    written: bytes
    cache: Path


@pytest.fixture(scope="module")
def planted() -> Plot:
    return plot()


@pytest.fixture(scope="module")
def image(made: Builds, planted: Plot) -> str:
    dockerfile = planted.dockerfile.replace("MARKER", made.marker)
    return made.build(dockerfile, planted.files, build_args=planted.build_args)


def scan(engine: Engine, target: str, folder: Path, *options: str, **environment: str) -> Scanned:
    folder.mkdir(exist_ok=True)
    formats = [f"--format={name}={folder / name}" for name in ("json", "markdown", "table")]
    command = [sys.executable, "-m", "imgscan", "scan", target, "--no-config", "--exit-zero", "--verbose"]
    done = subprocess.run(
        [*command, *formats, *options],
        env={
            **{key: value for key, value in os.environ.items() if key != "IMGSCAN_NO_CACHE"},
            "DOCKER_HOST": engine.host,
            "XDG_CACHE_HOME": str(folder / "cache"),
            **environment,
        },
        cwd=Path(__file__).parent.parent,
        capture_output=True,
        timeout=900,
        check=False,
    )
    assert done.returncode == 0, done.stderr.decode()
    texts = [(folder / name).read_bytes() for name in ("json", "markdown", "table")]
    return Scanned(json.loads(texts[0]), b"\n".join((done.stdout, done.stderr, *texts)), folder / "cache")


@pytest.fixture(scope="module")
def scanned(engine: Engine, image: str, tmp_path_factory: pytest.TempPathFactory) -> Scanned:
    return scan(engine, image, tmp_path_factory.mktemp("planted") / "first")


def names() -> list[str]:
    return [item.name for item in plot().planted]


@pytest.fixture(params=names())
def one(request: pytest.FixtureRequest, planted: Plot) -> Planted:
    (found,) = [item for item in planted.planted if item.name == request.param]
    return found


def test_there_are_enough_places(planted: Plot) -> None:
    assert len(planted.planted) >= 60
    assert len({item.token for item in planted.planted}) == len(planted.planted)


def test_it_is_found_where_it_is(one: Planted, scanned: Scanned) -> None:
    findings = {finding["fingerprint"]: finding for finding in scanned.report["findings"]}
    assert one.fingerprint in findings, "not found"
    places = findings[one.fingerprint]["places"]
    mine = [each for each in places if each["place"] == one.place and (each["path"] or "").startswith(one.path)]
    assert mine, places
    assert {each.get("status") for each in mine} == {one.status}
    if one.place == "file":
        layers = scanned.report["image"]["layers"]
        assert one.instruction in (layers[mine[0]["layer"]]["instruction"] or "")


def test_nothing_else_is_told_of_a_file(planted: Plot, scanned: Scanned) -> None:
    """One secret is one finding: no other rule tells the same text again."""
    known = {item.fingerprint for item in planted.planted}
    others = [
        finding
        for finding in scanned.report["findings"]
        if finding["rule_id"].startswith("secret-")
        and finding["fingerprint"] not in known
        and "known to everybody" not in finding["message"]
        and not scanned.report["image"]["layers"][finding["location"]["layer"] or 0]["from_base"]
    ]
    assert [(each["rule_id"], each["location"]["path"]) for each in others] == []


def test_no_secret_is_written_anywhere(planted: Plot, scanned: Scanned) -> None:
    kept = b"".join(path.read_bytes() for path in scanned.cache.rglob("*") if path.is_file())
    assert kept
    for item in planted.planted:
        assert item.token.encode() not in scanned.written, item.name
        assert item.token.encode() not in kept, item.name


def told(report: dict[str, Any]) -> list[Any]:
    """The findings without what differs from source to source."""
    return sorted(
        (each["rule_id"], each["severity"], each["fingerprint"], each["places"]) for each in report["findings"]
    )


@pytest.fixture(scope="module")
def archive(engine: Engine, image: str, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Path]:
    path = save(engine, image, tmp_path_factory.mktemp("archive") / "planted.tar")
    yield path
    path.unlink()


@pytest.mark.parametrize("options", [["--jobs", "1"], ["--jobs", "3"], ["--no-cache"]], ids=" ".join)
def test_however_it_is_scanned(
    options: list[str], engine: Engine, image: str, scanned: Scanned, tmp_path: Path
) -> None:
    assert told(scan(engine, image, tmp_path / "again", *options).report) == told(scanned.report)


def test_a_second_scan_with_what_was_kept(engine: Engine, image: str, scanned: Scanned) -> None:
    assert told(scan(engine, image, scanned.cache.parent).report) == told(scanned.report)


def test_saved(engine: Engine, archive: Path, scanned: Scanned, tmp_path: Path) -> None:
    assert told(scan(engine, str(archive), tmp_path / "saved").report) == told(scanned.report)


def test_the_other_matcher(engine: Engine, archive: Path, scanned: Scanned, tmp_path: Path) -> None:
    found = scan(engine, str(archive), tmp_path / "re2", IMGSCAN_MATCHER="re2")
    assert told(found.report) == told(scanned.report)


def test_tokens_in_a_program_that_go_built(made: Builds, engine: Engine, tmp_path: Path) -> None:
    """The strings of such a program lie behind each other, with nothing between them."""
    kinds = ("secret-github-token", "secret-aws-access-key", "secret-stripe-key", "secret-npm-token")
    tokens = [assemble(rule.examples[0], "go").decode() for rule in own_pack().rules if rule.id in kinds]
    texts = "\n".join(f"const t{number} = {json.dumps(token)}" for number, token in enumerate(tokens))
    program = f'package main\n\nimport "os"\n\n{texts}\n\nfunc main() {{\n\tos.Stdout.WriteString(os.Args[0] + '
    program += ' + "apart" + '.join(f"os.Args[{number}] + t{number}" for number in range(len(tokens))) + ")\n}\n"
    dockerfile = (
        "FROM imgscan-base/go:1.19 AS made\nCOPY main.go go.mod /src/\nRUN cd /src && CGO_ENABLED=0 go build -o /app .\n"
        f"FROM scratch\nLABEL imgscan-test={made.marker}\nCOPY --from=made /app /app\n"
    )
    name = made.build(dockerfile, {"main.go": program.encode(), "go.mod": b"module app\n\ngo 1.19\n"})
    report = scan(engine, name, tmp_path / "scan").report
    found = {finding["rule_id"]: finding["location"] for finding in report["findings"]}
    assert {kind: found[kind]["path"] for kind in kinds} == dict.fromkeys(kinds, "/app")
