"""From end to end: what is accepted stays in the report and forbids nothing, whatever accepts it."""

from __future__ import annotations

import json
import uuid
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
from engines import ensure_base
from imagemaker import Made, docker25
from secretmaker import token_of
from tarmaker import archive, member

from imgscan.cli.main import run
from imgscan.engine import Engine

TOKEN = token_of("accepted")
DOCKERFILE = 'FROM node:24-bookworm-slim\nWORKDIR /app\nCOPY src src\nUSER 1000\nCMD ["node", "src/index.js"]\n'


@pytest.fixture
def project(tmp_path: Path) -> Path:
    """A project that is GO but for what a test puts into it."""
    folder = tmp_path / "project"
    (folder / ".git").mkdir(parents=True)
    (folder / "src").mkdir()
    (folder / "src" / "index.js").write_text("console.log(1)\n")
    (folder / ".dockerignore").write_text(".git\n.imgscan*\n**/.env\nDockerfile\n*.json\n*.yml\n")
    (folder / "Dockerfile").write_text(DOCKERFILE)
    return folder


@pytest.fixture
def image(tmp_path: Path) -> Path:
    """An image with one marked secret, made by anybody."""
    layer = archive(member(b"app/config.js", f'const t = "{TOKEN}" // gitleaks:allow\n'.encode()))
    path = tmp_path / "image.tar"
    path.write_bytes(docker25(Made(layers=(layer,), settings={"User": "1000"})))
    return path


def leak(project: Path, line: str) -> None:
    (project / "src" / "config.js").write_text(f"// settings\n{line.replace('TOKEN', TOKEN)}\n")


def linted(project: Path, capsys: pytest.CaptureFixture[str], *args: str) -> tuple[int, dict[str, Any], str]:
    out = project / "report.json"
    code = run(["lint", str(project), "--format", f"json={out}", "--format", "table", *args])
    text = capsys.readouterr()
    assert TOKEN not in text.out + text.err + out.read_text()
    return code, json.loads(out.read_text()), text.out


def secrets(report: dict[str, Any]) -> Iterator[str | None]:
    """Of each secret what accepts it."""
    for found in report["findings"]:
        if found["rule_id"].startswith("secret-"):
            yield found["accepted"]["by"] if found["accepted"] else None


@pytest.mark.parametrize(
    ("line", "config", "by"),
    [
        pytest.param('t = "TOKEN"', "", None, id="nothing"),
        pytest.param('t = "TOKEN" // imgscan:ignore a test', "", "inline", id="comment"),
        pytest.param('t = "TOKEN" // imgscan:ignore=secret-jwt', "", None, id="comment-for-another-rule"),
        pytest.param("// gitleaks:allow\nt = 'TOKEN'", "", "inline", id="line-above"),
        pytest.param('t = "TOKEN"', '[[allow]]\npath = "src/"\nreason = "a test key"\n', "allowlist", id="allowlist"),
        pytest.param(
            't = "TOKEN"', '[[allow]]\npath = "src/"\nreason = "x"\nexpires = 2020-01-01\n', None, id="expired"
        ),
    ],
)
def test_accepted_findings_forbid_nothing(
    project: Path, capsys: pytest.CaptureFixture[str], line: str, config: str, by: str | None
) -> None:
    leak(project, line)
    (project / ".imgscan.toml").write_text(config)
    code, report, text = linted(project, capsys)
    assert list(secrets(report)) == [by]
    assert code == (1 if by is None else 0)
    assert report["verdict"] == ("NO-GO" if by is None else "GO")
    (risk,) = [risk for risk in report["risks"] if risk["id"] == "SEC-001"]
    assert risk["score"] == (9 if by is None else 3)
    assert risk["verified"] is False
    assert ("1 accepted finding does not count" in text) is (by is not None)
    if by is not None:
        assert "-v lists them" in text
        assert "src/config.js" in linted(project, capsys, "-v")[2]
    assert any("expired" in note for note in report["notes"]) is ("expires" in config)


def test_a_wrong_allowlist_is_an_error(project: Path, capsys: pytest.CaptureFixture[str]) -> None:
    (project / ".imgscan.toml").write_text('fail-on = "high"\n\n[[allow]]\nrule = "secret-jwt"\n')
    assert run(["lint", str(project)]) == 2
    assert ".imgscan.toml:3: an entry of [[allow]] needs a reason" in capsys.readouterr().err
    assert run(["lint", str(project), "--no-config"]) == 0


@pytest.mark.parametrize("where", ["ENV T=TOKEN\n", "RUN login TOKEN # imgscan:ignore\n"])
def test_the_dockerfile_s_own_lines(project: Path, capsys: pytest.CaptureFixture[str], where: str) -> None:
    (project / "Dockerfile").write_text(DOCKERFILE + where.replace("TOKEN", TOKEN))
    marked = "imgscan" in where
    assert list(secrets(linted(project, capsys)[1])) == ["inline" if marked else None]
    (project / "Dockerfile").write_text(DOCKERFILE + "# imgscan:ignore\n" + where.replace("TOKEN", TOKEN))
    assert list(secrets(linted(project, capsys)[1])) == ["inline"]


COMPOSED = """\
services:
  web:
    build: .
  db:
    image: postgres:17
    ports: ["5432:5432"]
"""


def ignored(project: Path, capsys: pytest.CaptureFixture[str], rule: str, *args: str) -> tuple[Any, list[str]]:
    _, report, _ = linted(project, capsys, *args)
    found = [f for f in report["findings"] if f["rule_id"] == rule]
    return [f["accepted"] and f["accepted"]["reason"] for f in found], report["notes"]


@pytest.mark.parametrize(
    ("above", "where"),
    [
        pytest.param("FROM node", "Dockerfile", id="dockerfile"),
        pytest.param("    ports", "compose.yml", id="compose"),
        pytest.param("  db:", "compose.yml", id="compose-service"),
    ],
)
def test_a_comment_above_accepts_any_rule(
    project: Path, capsys: pytest.CaptureFixture[str], above: str, where: str
) -> None:
    (project / "compose.yml").write_text(COMPOSED)
    (project / "Dockerfile").write_text(DOCKERFILE.replace("node:24-bookworm-slim", "node:latest"))
    rule = "config-latest-base" if where == "Dockerfile" else "net-store-published"
    assert ignored(project, capsys, rule)[0] == [None]
    before = (project / where).read_text()
    comment = f"# imgscan: ignore[{rule}] on purpose\n{above}"
    (project / where).write_text(before.replace(above, comment))
    line = before[: before.index(above)].count("\n") + 1
    assert ignored(project, capsys, rule) == ([f"on purpose ({where}:{line})"], [])
    (project / where).write_text(before.replace(above, comment.replace(" on purpose", "")))
    reasons, (note,) = ignored(project, capsys, rule)
    assert reasons == [None]
    assert "needs a reason" in note


def test_what_is_wrong_with_a_comment_is_a_note(project: Path, capsys: pytest.CaptureFixture[str]) -> None:
    lines = [
        "# imgscan: ignore[config-latest-bas] misspelt",
        "# imgscan: ignore[cache-broad-copy] not there",
        "# imgscan: ignore[layer-junk] only an image has it",
        "# imgscan: ignore cache-broad-copy",
    ]
    (project / "Dockerfile").write_text(DOCKERFILE + "\n".join(lines) + "\nLABEL a=b\n")
    notes = ignored(project, capsys, "")[1]
    assert notes == [
        "Dockerfile:9: this comment is not spelled # imgscan: ignore[rule-id] reason; it does not count",
        "Dockerfile:6: there is no rule 'config-latest-bas'; did you mean 'config-latest-base'?",
        "Dockerfile:7: this comment accepts no finding of cache-broad-copy any more and can go",
    ]


def test_rebuild_heeds_the_comments_of_the_dockerfile(project: Path, capsys: pytest.CaptureFixture[str]) -> None:
    (project / "package.json").write_text("{}")
    (project / "package-lock.json").write_text("{}")
    (project / ".dockerignore").write_text("")
    text = DOCKERFILE.replace("COPY src src", "COMMENT\nCOPY . .\nRUN npm ci")
    ignore = "# imgscan: ignore[cache-copy-before-install, layer-junk] built once a year"
    for comment, code in (("# nothing", 1), (ignore, 0)):
        (project / "Dockerfile").write_text(text.replace("COMMENT", comment))
        args = ["rebuild", str(project), "--no-config", "--predict", "--estimate", "5=30", "--format", "json"]
        assert run(args) == code
        report = json.loads(capsys.readouterr().out)
        (found,) = [f for f in report["findings"] if f["rule_id"] == "cache-copy-before-install"]
        assert (found["accepted"] is None) is bool(code)
        assert report["notes"] == []


def test_a_dockerfile_that_only_compose_builds_is_not_told_to_be_clean(
    project: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    (project / "compose.yml").write_text("services:\n  web:\n    build: web\n")
    (project / "web").mkdir()
    (project / "web" / "Dockerfile").write_text("# imgscan: ignore[cache-broad-copy] one\nFROM node:24\nUSER 1\n")
    assert ignored(project, capsys, "")[1] == []
    assert ignored(project / "web", capsys, "")[1] == [
        "Dockerfile:1: this comment accepts no finding of cache-broad-copy any more and can go"
    ]


def test_a_secret_is_accepted_by_its_own_comment_alone(project: Path, capsys: pytest.CaptureFixture[str]) -> None:
    leak(project, 't = "TOKEN"')
    rule = next(f["rule_id"] for f in linted(project, capsys)[1]["findings"] if f["rule_id"].startswith("secret-"))
    (project / "Dockerfile").write_text(DOCKERFILE.replace("COPY", f"# imgscan: ignore[{rule}] a test\nCOPY"))
    assert ignored(project, capsys, rule)[0] == [None]
    leak(project, f't = "TOKEN" // imgscan: ignore[{rule}] a test')
    assert ignored(project, capsys, rule)[0] == ["imgscan:ignore in src/config.js:2"]


def test_a_baseline_from_report_to_gate(project: Path, capsys: pytest.CaptureFixture[str]) -> None:
    leak(project, 't = "TOKEN"')
    assert linted(project, capsys)[0] == 1
    file = project / ".imgscan-baseline.json"
    assert run(["baseline", str(project / "report.json"), "-o", str(file), "--reason", "to be rotated"]) == 0
    assert "1 finding accepted, 1 added, 0 removed" in capsys.readouterr().err
    assert TOKEN not in file.read_text()

    code, report, _ = linted(project, capsys, "--baseline", str(file))
    assert (code, list(secrets(report)), report["notes"]) == (0, ["baseline"], [])
    (project / ".imgscan.toml").write_text('baseline = ".imgscan-baseline.json"\n')
    assert linted(project, capsys)[0] == 0

    (project / "src" / "more.js").write_text(f"t = '{token_of('new')}'\n")
    code, report, _ = linted(project, capsys)
    assert (code, sorted(map(str, secrets(report)))) == (1, ["None", "baseline"])

    (project / "src" / "more.js").unlink()
    leak(project, "nothing")
    code, report, text = linted(project, capsys)
    assert code == 0
    assert any("matches nothing any more" in note for note in report["notes"])
    assert "note:" in text
    assert run(["baseline", str(project / "report.json"), "-o", str(file)]) == 0
    assert "1 removed" in capsys.readouterr().err


@pytest.mark.parametrize(
    ("args", "told"),
    [
        pytest.param(["lint", "P", "--baseline", "P/none.json"], "cannot be read", id="no-baseline"),
        pytest.param(["lint", "P", "--baseline", "P/broken.json"], "broken.json:1: not valid JSON", id="broken"),
        pytest.param(["baseline", "P/none.json"], "cannot be read", id="no-report"),
        pytest.param(["baseline", "P/broken.json"], "broken.json is not a report", id="broken-report"),
        pytest.param(["baseline", "P/r.json", "--expires", "never"], "expires is a day", id="day"),
        pytest.param(["lint", "P", "--rules", "P/rules.yml"], "rules.yml:4: bad pattern", id="rules"),
        pytest.param(["rules", "--rules", "P/rules.yml"], "rules.yml:4: bad pattern", id="rules-of-rules"),
    ],
)
def test_what_is_wrong_with_a_file_is_told(
    project: Path, capsys: pytest.CaptureFixture[str], args: list[str], told: str
) -> None:
    (project / "broken.json").write_text("{nope")
    (project / "rules.yml").write_text("- id: x\n  title: t\n  severity: low\n  pattern: '(?=x)'\n")
    assert run([arg.replace("P/", f"{project}/") if arg != "P" else str(project) for arg in args]) == 2
    assert told in capsys.readouterr().err


def scanned(image: Path, capsys: pytest.CaptureFixture[str], *args: str) -> tuple[int, dict[str, Any]]:
    code = run(["scan", str(image), "--no-config", "--format", "json", *args])
    return code, json.loads(capsys.readouterr().out)


def test_an_image_cannot_hide_its_secrets(image: Path, capsys: pytest.CaptureFixture[str]) -> None:
    code, report = scanned(image, capsys)
    assert (code, list(secrets(report))) == (1, [None])
    assert report["findings"][0]["places"][0]["mark"] == "gitleaks:allow"
    assert "--trust-image-ignores" in report["notes"][0]
    code, report = scanned(image, capsys, "--trust-image-ignores")
    assert (code, list(secrets(report)), report["notes"]) == (0, ["inline"], [])


def test_a_mark_is_kept_with_the_result_of_a_layer(
    image: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.delenv("IMGSCAN_NO_CACHE")
    monkeypatch.setenv("XDG_CACHE_HOME", str(tmp_path))
    first = scanned(image, capsys, "--trust-image-ignores")
    assert scanned(image, capsys, "--trust-image-ignores") == first
    assert all(TOKEN.encode() not in path.read_bytes() for path in tmp_path.rglob("*.sqlite3*"))


def test_a_rule_of_the_user_s(project: Path, capsys: pytest.CaptureFixture[str]) -> None:
    secret = "acme" + "_" + "k3j9x2m8q7w1"
    (project / "own.yml").write_text(
        "- id: acme-key\n  title: ACME key\n  severity: critical\n  pattern: 'acme_[a-z0-9]{12}'\n"
    )
    (project / ".imgscan.toml").write_text('rules = ["own.yml"]\n')
    (project / "src" / "index.js").write_text(f"go({secret!r})\n")
    code, report, text = linted(project, capsys)
    assert code == 1
    assert [f["rule_id"] for f in report["findings"] if f["severity"] == "critical"] == ["secret-acme-key"]
    assert secret not in text + json.dumps(report)
    assert run(["explain", "acme-key", "--rules", str(project / "own.yml")]) == 2
    assert "secret-acme-key" in capsys.readouterr().err
    assert run(["explain", "secret-acme-key", "--rules", str(project / "own.yml")]) == 0
    assert "ACME key" in capsys.readouterr().out


@pytest.mark.parametrize("name", ["re2", "hyperscan", "auto", "RE2"])
def test_the_matcher_can_be_chosen(
    image: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str], name: str
) -> None:
    plain = scanned(image, capsys)
    monkeypatch.setenv("IMGSCAN_MATCHER", name)
    assert scanned(image, capsys) == plain


def test_a_matcher_that_is_none_is_an_error(
    image: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.setenv("IMGSCAN_MATCHER", "grep")
    assert run(["scan", str(image)]) == 2
    assert "one of auto, hyperscan, re2" in capsys.readouterr().err


@pytest.mark.engine
def test_findings_in_a_built_image_are_accepted_where_they_were_made(
    engine: Engine, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    name = uuid.uuid4().hex
    lines = [
        "# imgscan: ignore[config-no-healthcheck] a command, not a service",
        "",
        "# imgscan: ignore[config-latest-base] ours",
        f"FROM {ensure_base(engine)}",
        "# imgscan: ignore[layer-deleted-late] shown to nobody",
        f"RUN dd if=/dev/zero of=/{name} bs=1048576 count=12",
        f"RUN rm /{name}",
        "# imgscan: ignore[layer-overwritten] nothing is",
        "USER 1000",
    ]
    (tmp_path / "Dockerfile").write_text("\n".join(lines) + "\n")
    (tmp_path / ".dockerignore").write_text("*\n")
    args = ["build-report", str(tmp_path), "--no-config", "--no-timing", "--network", "none", "--format", "json", "-q"]
    assert run(args) == 0
    report = json.loads(capsys.readouterr().out)
    accepted = {f["rule_id"]: f["accepted"]["reason"] for f in report["findings"] if f["accepted"]}
    assert accepted == {
        "config-no-healthcheck": "a command, not a service (Dockerfile:1)",
        "layer-deleted-late": "shown to nobody (Dockerfile:5)",
    }
    assert report["notes"] == [
        "Dockerfile:3: this comment accepts no finding of config-latest-base any more and can go",
        "Dockerfile:8: this comment accepts no finding of layer-overwritten any more and can go",
    ]
