"""The planted secrets: of valid form, the same for the same seed, and never printed or committed."""

from __future__ import annotations

import base64
import importlib.util
import shutil
import string
import subprocess
import sys
import zlib
from pathlib import Path
from types import ModuleType

import pytest

SAMPLES = Path(__file__).parents[2] / "sample_images"
BASE62 = string.digits + string.ascii_uppercase + string.ascii_lowercase


@pytest.fixture(scope="module")
def plant() -> ModuleType:
    spec = importlib.util.spec_from_file_location("plant", SAMPLES / "plant.py")
    assert spec is not None
    assert spec.loader is not None
    module = importlib.util.module_from_spec(spec)
    sys.modules["plant"] = module
    spec.loader.exec_module(module)
    return module


@pytest.fixture
def context(tmp_path: Path, plant: ModuleType) -> Path:
    folder = tmp_path / "context"
    folder.mkdir()
    shutil.copy(SAMPLES / "antone-leaky" / "Dockerfile.in", folder)
    plant.plant(folder)
    return folder


def texts(context: Path) -> dict[str, str]:
    return {path.relative_to(context).as_posix(): path.read_text() for path in context.rglob("*") if path.is_file()}


def secret(plant: ModuleType, context: Path, name: str) -> str:
    return str(next(item.secret for item in plant.planted(context) if item.name == name))


def test_same_seed_same_files(plant: ModuleType, context: Path) -> None:
    first = texts(context)
    plant.plant(context)
    assert texts(context) == first
    plant.plant(context, seed="another")
    other = texts(context)
    assert other.keys() == first.keys()
    assert [path for path in first if other[path] == first[path]] == ["Dockerfile.in"]


def test_a_file_that_is_right_is_not_written_again(plant: ModuleType, context: Path) -> None:
    before = {path: (context / path).stat().st_mtime_ns for path in texts(context)}
    plant.plant(context)
    assert {path: (context / path).stat().st_mtime_ns for path in texts(context)} == before


def test_every_secret_is_where_it_is_said_to_be(plant: ModuleType, context: Path) -> None:
    items = plant.planted(context)
    assert len({item.secret for item in items}) == len(items) == 9
    for item in items:
        assert item.secret in (context / item.path).read_text()
    assert "@" not in "".join(line for line in texts(context)["Dockerfile"].splitlines() if "_KEY=" in line)


def test_a_context_without_the_secrets_is_told(plant: ModuleType, context: Path) -> None:
    plant.remove(context)
    assert list(texts(context)) == ["Dockerfile.in"]
    with pytest.raises(ValueError, match=r"run plant\.py"):
        plant.planted(context)


@pytest.mark.parametrize("name", [pytest.param("NPM_TOKEN", id="npm"), pytest.param("GITHUB_TOKEN", id="github")])
def test_tokens_have_the_right_checksum(plant: ModuleType, context: Path, name: str) -> None:
    _, _, body = secret(plant, context, name).partition("_")
    number = 0
    for digit in body[30:]:
        number = number * 62 + BASE62.index(digit)
    assert len(body) == 36
    assert number == zlib.crc32(body[:30].encode())


def test_the_key_is_an_rsa_key(plant: ModuleType, context: Path) -> None:
    lines = secret(plant, context, "deploy_key.pem").splitlines()
    version, modulus, public, private, p, q, *rest = der_integers(base64.b64decode("".join(lines[1:-1])))
    assert (version, modulus, public) == (0, p * q, 65537)
    assert modulus.bit_length() == 2048
    assert pow(pow(7, public, modulus), private, modulus) == 7
    assert rest == [private % (p - 1), private % (q - 1), pow(q, -1, p)]


def der_integers(der: bytes) -> list[int]:
    """The integers of one DER sequence."""

    def element(offset: int) -> tuple[int, int, int]:
        """Tag, start and end of what follows it."""
        tag, length, start = der[offset], der[offset + 1], offset + 2
        if length & 0x80:
            start += length & 0x7F
            length = int.from_bytes(der[offset + 2 : start])
        return tag, start, start + length

    tag, offset, end = element(0)
    assert (tag, end) == (0x30, len(der))
    numbers = []
    while offset < end:
        tag, start, offset = element(offset)
        assert tag == 0x02
        numbers.append(int.from_bytes(der[start:offset], signed=True))
    return numbers


def test_no_value_is_printed(plant: ModuleType, context: Path) -> None:
    command = [sys.executable, str(SAMPLES / "plant.py"), str(context), "--list"]
    done = subprocess.run(command, capture_output=True, text=True, check=True)
    items = plant.planted(context)
    assert len(done.stdout.splitlines()) == len(items)
    for item in items:
        assert item.secret not in done.stdout + done.stderr + repr(item)


def test_git_never_sees_a_planted_file(plant: ModuleType, context: Path, tmp_path: Path) -> None:
    made = sorted(texts(context).keys() - {"Dockerfile.in"})
    repository = tmp_path / "repository"
    sample = repository / "sample_images" / "antone-leaky"
    shutil.copytree(SAMPLES / "antone-leaky", sample, ignore=shutil.ignore_patterns("node_modules"))
    plant.plant(sample)
    git = ["git", "-C", str(repository), "-c", "core.excludesFile=/dev/null"]
    subprocess.run([*git, "init", "-q"], check=True)
    seen = subprocess.run([*git, "status", "--porcelain", "-uall"], check=True, capture_output=True, text=True).stdout
    assert "Dockerfile.in" in seen
    assert [path for path in made if f"antone-leaky/{path}\n" in seen] == []
