"""The Dockerfile of imgscan itself: built as a user builds it, run, and judged by imgscan."""

from __future__ import annotations

import io
import json
import subprocess
import sys
import tarfile
from collections.abc import Iterator
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest
from imagemaker import Made, docker25
from secretmaker import token_of
from tarmaker import archive, member

import imgscan
from imgscan.build.measure import MeasurePlan, measure
from imgscan.build.request import Builder, BuildOptions
from imgscan.build.scenarios import Choice
from imgscan.config import read_settings
from imgscan.dockerfile.context import read_context
from imgscan.dockerfile.parse import parse
from imgscan.dockerfile.substitute import substitute_bases
from imgscan.engine import Engine

pytestmark = pytest.mark.engine

ROOT = Path(__file__).parent.parent
# Where public images cannot be pulled, `make samples` writes what stands in for them, and by which network builds reach
# the registry of packages that pip is configured for.
STAND_INS = ROOT / "sample_images" / ".imgscan.toml"
_PATIENCE_S = 120


def stand_ins() -> tuple[dict[str, str], str | None]:
    """The base images that take the place of public ones, and the network of builds."""
    if not STAND_INS.is_file():
        return {}, None
    found = read_settings([STAND_INS], ["network", "base-image"])
    images = dict(pair.split("=", 1) for pair in found["base-image"].value) if "base-image" in found else {}
    return images, found["network"].value if "network" in found else None


@pytest.fixture(scope="module")
def own_image(engine: Engine) -> Iterator[str]:
    """The image, gone afterwards with all that building it left."""
    images, network = stand_ins()
    context = read_context(ROOT)
    dockerfile = parse(context.dockerfile_text)
    text = substitute_bases(dockerfile, images, {}).encode()
    options = BuildOptions(builder=Builder.BUILDKIT, build_args={}, network=network)
    plan = MeasurePlan(
        context=replace(context, dockerfile_text=text),
        dockerfile=parse(text),
        options=options,
        choice=Choice(source=None, lockfile=None),
        repeats=1,
        scenarios=(),
    )
    with measure(engine, plan) as measured:
        assert measured.image is not None, measured.cold.failure
        yield measured.image


class Ran:
    """A container of the image that has ended: exit code, what it wrote."""

    def __init__(self, engine: Engine, image: str, *args: str, files: dict[str, bytes] | None = None) -> None:
        api: Any = engine.api
        container = api.create_container(image, list(args), network_disabled=True)["Id"]
        try:
            if files:
                api.put_archive(container, "/work", packed(files))
            api.start(container)
            self.code: int = api.wait(container, timeout=_PATIENCE_S)["StatusCode"]
            self.out: str = api.logs(container, stdout=True, stderr=False).decode()
            self.err: str = api.logs(container, stdout=False, stderr=True).decode()
        finally:
            api.remove_container(container, force=True)


def packed(files: dict[str, bytes]) -> bytes:
    """Files as a tar, readable for everybody."""
    buffer = io.BytesIO()
    with tarfile.open(fileobj=buffer, mode="w") as tar:
        for name, data in files.items():
            entry = tarfile.TarInfo(name)
            entry.size, entry.mode = len(data), 0o644
            tar.addfile(entry, io.BytesIO(data))
    return buffer.getvalue()


def test_it_runs(engine: Engine, own_image: str) -> None:
    ran = Ran(engine, own_image, "--version")
    assert (ran.code, ran.out.strip()) == (0, f"imgscan {imgscan.__version__}"), ran.err
    assert "Usage: imgscan" in Ran(engine, own_image).out


def test_it_scans_an_archive_without_a_network_and_without_root(engine: Engine, own_image: str) -> None:
    layer = archive(member(b"app/config.js", f't = "{token_of("inside")}"\n'.encode()))
    image = docker25(Made(layers=(layer,), settings={"User": "1000"}))
    ran = Ran(engine, own_image, "scan", "image.tar", "--format", "json", files={"image.tar": image})
    assert ran.code == 1, ran.err
    report = json.loads(ran.out)
    assert report["complete"]
    secrets = [found for found in report["findings"] if found["rule_id"].startswith("secret-")]
    assert [found["location"]["path"] for found in secrets] == ["/app/config.js"]
    assert token_of("inside") not in ran.out + ran.err


def test_it_lints_a_project(engine: Engine, own_image: str) -> None:
    files = {"Dockerfile": b"FROM debian:12.1-slim\nCOPY a /a\nUSER 1000\nHEALTHCHECK NONE\n", "a": b"x\n"}
    ran = Ran(engine, own_image, "lint", ".", "--format", "json", files=files)
    assert ran.code == 0, ran.err
    assert json.loads(ran.out)["verdict"] == "GO"


def test_it_passes_its_own_report(own_image: str, tmp_path: Path) -> None:
    out = tmp_path / "report.json"
    command = [sys.executable, "-m", "imgscan", "build-report", ".", "--no-timing", "--format", f"json={out}", "-q"]
    command += ["--config", str(STAND_INS)] if STAND_INS.is_file() else ["--no-config"]
    done = subprocess.run(command, capture_output=True, text=True, cwd=ROOT)
    assert done.returncode == 0, done.stderr
    report = json.loads(out.read_text())
    assert (report["verdict"], report["complete"]) == ("GO", True)
    assert report["image"]["layers"]
