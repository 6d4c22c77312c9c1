"""`imgscan scan` on archives of every layout: the same secrets, statuses and bytes come out of each."""

from __future__ import annotations

import json
from collections.abc import Callable
from pathlib import Path
from typing import Any

import jsonschema_rs
import pytest
from imagemaker import Made, containerd, docker25, kaniko, legacy, podman
from secretmaker import github_token
from tarmaker import archive, directory, member

from imgscan.cli.main import run
from imgscan.report.json import schema

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
