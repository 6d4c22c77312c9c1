"""`imgscan scan` on archives of every layout: the same secrets, statuses and bytes come out of each."""

from __future__ import annotations

import contextlib
import html
import json
import subprocess
import sys
from collections.abc import Callable
from pathlib import Path
from typing import Any

import jsonschema_rs
import pytest
from archivemaker import zipped
from imagemaker import Blobs, Made, add_manifest, containerd, docker25, gzipped, kaniko, legacy, podman
from registries import faked
from secretmaker import github_token, token_of
from tarmaker import archive, directory, header, member

from imgscan.cli.main import run
from imgscan.report.json import schema

DIVE_KEYS = ("dive-efficiency", "dive-wasted-bytes", "dive-user-wasted-percent")
LAYOUTS: dict[str, Callable[[Made], bytes]] = {
    "legacy": legacy,
    "docker25": docker25,
    "containerd": containerd,
    "podman": podman,
    "kaniko": kaniko,
}


DELETED = github_token("aB3dE5gH7jK9mN1pQ3sT5vW7yZ9bC2")
VISIBLE = github_token("Zy9Xw7Vu5Ts3Rq1Po9Nm7Lk5Ji3Hg1")
IN_ENV = github_token("q1W2e3R4t5Y6u7I8o9P0a1S2d3F4g5")


def image() -> Made:
    base = archive(directory(b"etc/"), member(b"etc/os-release", b"ID=none\n"))
    copied = archive(
        directory(b"app/"),
        member(b"app/.env", f"A=1\nGITHUB_TOKEN={DELETED}\n".encode()),
        member(b"app/big.bin", b"\0" * 500_000),
        member(b"app/config.json", f'{{"token": "{VISIBLE}"}}'.encode()),
    )
    removed = archive(member(b"app/.wh..env", b""), member(b"app/.wh.big.bin", b""))
    history: list[dict[str, object]] = [
        {"created_by": "ADD rootfs.tar / # buildkit"},
        {"created_by": "COPY . /app # buildkit"},
        {"created_by": f"ENV TOKEN={IN_ENV}", "empty_layer": True},
        {"created_by": "RUN /bin/sh -c rm app/.env app/big.bin # buildkit"},
    ]
    return Made(layers=(base, copied, removed), settings={"Env": [f"TOKEN={IN_ENV}"]}, history=history)


def scanned(path: Path, capsys: pytest.CaptureFixture[str], *args: str) -> tuple[int, dict[str, Any], str]:
    out = path.parent / "r.json"
    code = run(["scan", str(path), "--no-config", "--format", f"json={out}", "--format", "table", *args])
    text = capsys.readouterr()
    return code, json.loads(out.read_text(encoding="utf-8")), text.out + text.err + out.read_text(encoding="utf-8")


@pytest.fixture(params=LAYOUTS)
def saved(request: pytest.FixtureRequest, tmp_path: Path) -> Path:
    path = tmp_path / "image.tar"
    path.write_bytes(LAYOUTS[request.param](image()))
    return path


def test_secrets_with_layer_and_status(saved: Path, capsys: pytest.CaptureFixture[str]) -> None:
    code, report, written = scanned(saved, capsys)
    assert code == 1
    jsonschema_rs.validator_for(schema()).validate(report)
    assert report["complete"] is True
    found = {
        (place["place"], place["layer"], place["path"], place["line"], place["status"])
        for finding in report["findings"]
        if finding["rule_id"] == "secret-github-token" and finding["validity"] == "valid"
        for place in finding["places"]
    }
    assert {("file", 1, "/app/.env", 2, "deleted"), ("file", 1, "/app/config.json", 1, "visible")} <= found
    assert {place for place, *_ in found} == {"file", "env", "history"}
    for secret in (DELETED, VISIBLE, IN_ENV):
        assert secret not in written


def test_bytes_to_the_last_one(saved: Path, capsys: pytest.CaptureFixture[str]) -> None:
    _, report, _ = scanned(saved, capsys)
    shipped = report["image"]
    env_size = len(f"A=1\nGITHUB_TOKEN={DELETED}\n")
    assert shipped["reclaimable_bytes"] == 500_000 + env_size
    assert {(item["path"], item["bytes"], item["cause"]) for item in shipped["waste"]} == {
        ("/app/big.bin", 500_000, "deleted"),
        ("/app/.env", env_size, "deleted"),
    }
    assert report["coverage"]["bytes"] == shipped["size_bytes"]


@pytest.mark.parametrize(
    ("args", "code"),
    [
        pytest.param(["--fail-on", "never"], 1, id="risk-still-forbids"),
        pytest.param(["--exit-zero"], 0, id="exit-zero"),
        pytest.param(["--exit-zero", "--budget", "image-size=1kB"], 0, id="exit-zero-over-budget"),
    ],
)
def test_gates(args: list[str], code: int, tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    path = tmp_path / "image.tar"
    path.write_bytes(docker25(image()))
    assert scanned(path, capsys, *args)[0] == code


def clean_image(*layers: bytes) -> Made:
    base = archive(member(b"bin/app", b"\x7fELF"))
    return Made(layers=(base, *layers), settings={"User": "1000", "Healthcheck": {"Test": ["CMD", "/bin/app"]}})


def test_a_clean_image_is_go(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    path = tmp_path / "image.tar"
    path.write_bytes(docker25(clean_image()))
    code, report, _ = scanned(path, capsys)
    assert (code, report["verdict"], report["findings"]) == (0, "GO", [])
    assert [(risk["id"], risk["score"], risk["verified"]) for risk in report["risks"]][:1] == [("SEC-001", 3, True)]


@pytest.mark.parametrize(("args", "code"), [([], 0), (["--strict"], 5)], ids=["default", "strict"])
def test_a_damaged_layer_makes_the_scan_incomplete(
    args: list[str], code: int, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    path = tmp_path / "image.tar"
    path.write_bytes(docker25(clean_image(member(b"app/x", b"1") + b"\xff" * 1024)))
    got, report, written = scanned(path, capsys, *args)
    assert got == code
    assert report["complete"] is False
    assert report["skipped"]
    assert "incomplete" in written
    assert [risk["verified"] for risk in report["risks"] if risk["id"] == "SEC-001"] == [False]


def test_a_layer_that_is_not_what_the_image_says(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    bad = clean_image(archive(member(b"app/x", b"1")))
    text = docker25(bad).replace(json.loads(bad.config)["rootfs"]["diff_ids"][1].encode(), b"sha256:" + b"0" * 64)
    path = tmp_path / "image.tar"
    path.write_bytes(text)
    code = run(["scan", str(path), "--no-config", "--strict", "-q"])
    assert code in (2, 5)
    assert "Traceback" not in capsys.readouterr().err


def test_several_targets_end_in_the_worst_code(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    bad, good = tmp_path / "bad.tar", tmp_path / "good.tar"
    bad.write_bytes(docker25(image()))
    good.write_bytes(docker25(clean_image()))
    assert run(["scan", str(bad), str(good), "--no-config"]) == 1
    assert capsys.readouterr().out.count("imgscan 0") == 2
    assert run(["scan", str(bad), str(good), "--no-config", "--format", "json"]) == 2


def wasteful(path: Path) -> Path:
    """Nothing is wrong with it but that dive counts 200,000 B as wasted, two thirds of what is above the first layer."""
    first = archive(member(b"app/x", b"1" * 100_000), member(b"app/y", b"2" * 900_000))
    image = clean_image(first, archive(member(b"app/x", b"2" * 100_000), member(b"app/z", b"3" * 200_000)))
    path.write_bytes(docker25(image))
    return path


RULES = "rules:\n  lowestEfficiency: {}\n  highestWastedBytes: {}\n  highestUserWastedPercent: {}\n"


@pytest.mark.parametrize(
    ("rules", "args", "code", "broken"),
    [
        pytest.param(RULES.format("0.9", "200kB", "0.2"), [], 0, [], id="equal-is-kept"),
        pytest.param("", [], 1, ["dive-user-wasted-percent"], id="defaults"),
        pytest.param(RULES.format("off", "off", "off"), [], 0, [], id="off"),
        pytest.param(RULES.format(0.93, "199.9kB", 0.1), [], 1, [*DIVE_KEYS], id="all-broken"),
        pytest.param(RULES.format(0.93, 0, 0), ["--no-config"], 0, None, id="no-config"),
        pytest.param(RULES.format(0.93, 0, 0), ["--exit-zero"], 0, [*DIVE_KEYS], id="exit-zero"),
        pytest.param(
            RULES.format(0.93, "off", "off"), ["--budget", "dive-efficiency=0.9"], 0, [], id="flag-counts-more"
        ),
        pytest.param(None, [], 0, None, id="no-file"),
    ],
)
def test_dive_ci_of_the_working_directory(
    rules: str | None,
    args: list[str],
    code: int,
    broken: list[str] | None,
    tmp_path: Path,
    capsys: pytest.CaptureFixture[str],
) -> None:
    wasteful(tmp_path / "image.tar")
    if rules is not None:
        (tmp_path / ".dive-ci").write_text(rules, encoding="utf-8")
    with contextlib.chdir(tmp_path):
        got = run(["scan", "image.tar", "--format", "json", *args])
    text = capsys.readouterr()
    report = json.loads(text.out)
    assert got == code, report["budgets"]
    assert [item["key"] for item in report["budgets"] if item["broken"]] == (broken or [])
    assert ("dive's rules of .dive-ci count" in text.err) is (broken is not None)


def test_dive_ci_by_name_and_in_every_format(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    path, rules = wasteful(tmp_path / "image.tar"), tmp_path / "limits.yml"
    rules.write_text(RULES.format(0.95, "off", "off"), encoding="utf-8")
    told = f"budget dive-efficiency: 0.9231 is under 0.95 (lowestEfficiency of {rules})"
    for name in ("table", "json", "markdown"):
        assert run(["scan", str(path), "--no-config", "--dive-ci", str(rules), "--format", name]) == 1
        out = html.unescape(capsys.readouterr().out)
        assert told in " ".join(out.split()), name
        assert "200 kB wasted" in out or '"wasted_bytes": 200000' in out


def test_a_dive_ci_that_is_not_used_is_named(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    wasteful(tmp_path / "image.tar")
    (tmp_path / ".dive-ci").write_text("rules: {}", encoding="utf-8")
    (tmp_path / "own.toml").write_text("strict = true", encoding="utf-8")
    with contextlib.chdir(tmp_path):
        assert run(["scan", "image.tar", "--config", "own.toml", "-q"]) == 0
    assert ".dive-ci is not read" in capsys.readouterr().err


@pytest.mark.parametrize("args", [[], ["--dive-ci", "other"]], ids=["found", "named"])
def test_a_dive_ci_that_cannot_be_understood_ends_the_run(
    args: list[str], tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    wasteful(tmp_path / "image.tar")
    for name in (".dive-ci", "other"):
        (tmp_path / name).write_text("rules:\n  lowestEficiency: 0.9", encoding="utf-8")
    with contextlib.chdir(tmp_path):
        assert run(["scan", "image.tar", *args]) == 2
    assert "did you mean 'lowestEfficiency'?" in capsys.readouterr().err


def test_the_context_s_dive_ci_comes_first(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    context = tmp_path / "app"
    context.mkdir()
    (context / "Dockerfile").write_text("FROM scratch\nUSER 1\n", encoding="utf-8")
    (context / ".dive-ci").write_text("rules: {lowestEfficiency: 0.7}", encoding="utf-8")
    (tmp_path / ".dive-ci").write_text("rules: {lowestEfficiency: 0.6}", encoding="utf-8")
    with contextlib.chdir(tmp_path):
        run(["lint", "app", "--format", "json"])
    text = capsys.readouterr()
    assert "dive's rules of app/.dive-ci count: lowestEfficiency 0.7" in text.err
    assert [(item["limit"], item["actual"]) for item in json.loads(text.out)["budgets"]][:1] == [("0.7", None)]


def test_a_configuration_file_may_name_the_rules(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    wasteful(tmp_path / "image.tar")
    (tmp_path / ".imgscan.toml").write_text('dive-ci = "ci/dive.yml"', encoding="utf-8")
    (tmp_path / "ci").mkdir()
    (tmp_path / "ci" / "dive.yml").write_text(RULES.format(0.99, "off", "off"), encoding="utf-8")
    with contextlib.chdir(tmp_path):
        assert run(["scan", "image.tar", "-q"]) == 1
    assert "ci/dive.yml" in capsys.readouterr().err


def test_our_own_budgets_work_in_scan(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    path = wasteful(tmp_path / "image.tar")
    for pair, code in (
        ("reclaimable=100kB", 0),
        ("reclaimable=99999", 1),
        ("efficiency=0.9", 0),
        ("efficiency=0.95", 1),
    ):
        assert scanned(path, capsys, "--budget", pair)[0] == code, pair


def in_registry(made: Made) -> tuple[Blobs, dict[str, Any]]:
    blobs = Blobs()
    return blobs, add_manifest(blobs, made, gzipped)


def test_an_image_in_a_registry(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    out = tmp_path / "r.json"
    with faked(*in_registry(image())) as target:
        code = run(["scan", f"{target}:1", "--no-config", "--format", f"json={out}", "--platform", "linux/amd64"])
    report = json.loads(out.read_text(encoding="utf-8"))
    jsonschema_rs.validator_for(schema()).validate(report)
    assert (code, report["complete"]) == (1, True)
    assert (report["target"]["kind"], report["target"]["ref"]) == ("registry", f"{target}:1")
    assert report["target"]["digest"].startswith("sha256:")
    assert report["image"]["reclaimable_bytes"] == 500_000 + len(f"A=1\nGITHUB_TOKEN={DELETED}\n")
    assert DELETED not in out.read_text(encoding="utf-8") + capsys.readouterr().out


@pytest.mark.parametrize(
    ("args", "code", "said"),
    [
        pytest.param([":2"], 2, "has no 127.0.0.1:", id="no-such-tag"),
        pytest.param([":1", "--platform", "linux/s390x"], 2, "it has linux/amd64", id="no-such-platform"),
        pytest.param([":1", "--platform", "s390x"], 2, "no platform", id="no-platform"),
        pytest.param([":1", "--insecure-registry", "http://x"], 2, "HOST[:PORT]", id="no-host"),
        pytest.param([":?"], 2, "no reference", id="no-reference"),
    ],
)
def test_registry_errors(args: list[str], code: int, said: str, capsys: pytest.CaptureFixture[str]) -> None:
    with faked(*in_registry(clean_image())) as target:
        assert run(["scan", target + args[0], "--no-config", *args[1:]]) == code
    shown = capsys.readouterr().err
    assert said in shown
    assert "Traceback" not in shown


def test_insecure_registries_of_a_configuration_file(
    tmp_path: Path, capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    (tmp_path / ".imgscan.toml").write_text('insecure-registry = ["a b"]\n', encoding="utf-8")
    monkeypatch.chdir(tmp_path)
    assert run(["scan", "registry://r.example/app"]) == 2
    assert "HOST[:PORT]" in capsys.readouterr().err


@pytest.fixture
def jar(tmp_path: Path) -> Path:
    """An image with a jar, which a later layer deletes."""
    made = Made(
        layers=(
            archive(member(b"app/x.war", zipped({"WEB-INF/lib/a.jar": zipped({"c.txt": token_of("jar").encode()})}))),
            archive(header(b"app/.wh.x.war")),
        )
    )
    path = tmp_path / "jar.tar"
    path.write_bytes(docker25(made))
    return path


@pytest.mark.parametrize("jobs", ["1", "2"])
def test_a_secret_in_a_jar(jar: Path, jobs: str, capsys: pytest.CaptureFixture[str]) -> None:
    code, report, _ = scanned(jar, capsys, "--jobs", jobs)
    (finding,) = (item for item in report["findings"] if item["rule_id"] == "secret-github-token")
    assert (code, finding["status"], finding["location"]["layer"]) == (1, "deleted", 0)
    assert finding["location"]["path"] == "/app/x.war!/WEB-INF/lib/a.jar!/c.txt"
    assert finding["location"]["inside"] == ["WEB-INF/lib/a.jar", "c.txt"]
    assert report["complete"] is True


def test_archives_left_closed_are_told(jar: Path, capsys: pytest.CaptureFixture[str]) -> None:
    _, report, _ = scanned(jar, capsys, "--no-unpack")
    assert "secret-github-token" not in {item["rule_id"] for item in report["findings"]}
    assert [item["reason"] for item in report["coverage"]["not_read"]] == [
        "archives inside files were not opened (--no-unpack)"
    ]
    assert report["complete"] is False


def test_a_scan_for_json_imports_neither_tables_nor_other_commands(tmp_path: Path) -> None:
    (tmp_path / "image.tar").write_bytes(docker25(image()))
    args = ["scan", "-q", str(tmp_path / "image.tar"), "--no-cache", "--format", f"json={tmp_path / 'r.json'}"]
    code = f"import sys; sys.argv = ['imgscan', *{args}]\nfrom imgscan.cli.main import main\n"
    code += "try: main()\nexcept SystemExit: print(*sys.modules)\n"
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    loaded = done.stdout.split()
    assert "imgscan.cli.scan" in loaded
    assert (tmp_path / "r.json").is_file()
    unneeded = {
        "tabulate",
        "docker",
        "requests",
        "imgscan.cli.optimize",
        "imgscan.cli.build_report",
        "imgscan.optimize",
    }
    assert not unneeded & set(loaded)
