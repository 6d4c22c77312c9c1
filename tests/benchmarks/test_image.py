"""The benchmark's image: the same on every run, of the size that was asked for, with its planted secrets in place."""

from __future__ import annotations

import io
import json
import tarfile
import zlib
from pathlib import Path

import pytest

from benchmarks import packages
from benchmarks.image import BASES, EDITED, GB, Plan, context, dockerfile, plan, size_name, source
from benchmarks.packages import BenchError, PackageFile, folder_share, list_packages, share_for
from benchmarks.planted import BASE62, PLACES, planted

BASE_BYTES = {"node": 281_000_000, "debian": 123_000_000}
FILES = tuple(PackageFile(path=f"p{i}/index.js", size_bytes=100_000, share=folder_share(f"p{i}")) for i in range(7000))


@pytest.fixture
def root(tmp_path: Path) -> Path:
    folder = tmp_path / "node_modules"
    for number in range(40):
        (folder / f"p{number}/lib").mkdir(parents=True)
        (folder / f"p{number}/lib/index.js").write_text(f"module.exports = {number};\n")
        (folder / f"p{number}/dist.min.js").write_text(f"var a={number};\n" * 20)
    (folder / ".bin").mkdir()
    (folder / ".bin/tool").symlink_to("../p1/lib/index.js")
    (folder / "scope").symlink_to("p2")
    for name in ("package.json", "package-lock.json"):
        (tmp_path / name).write_text("{}\n")
    return folder


def members(root: Path, *, shares: tuple[float, ...], edited: bool) -> dict[str, bytes]:
    data = b"".join(
        context(Plan(base=BASES["node"], shares=shares), root, list_packages(root), planted(), edited=edited)
    )
    with tarfile.open(fileobj=io.BytesIO(data)) as tar:
        found = {}
        for member in tar:
            content = tar.extractfile(member) if member.isfile() else None
            found[member.name] = content.read() if content is not None else member.linkname.encode()
    return found


@pytest.mark.parametrize("size", [0.5, 1.0, 2.0, 4.0])
def test_a_plan_comes_to_its_size(size: float) -> None:
    found = plan(size, FILES, BASE_BYTES)
    assert found.base == BASES["node"]
    taken = sum(file.size_bytes for share in found.shares for file in FILES if file.share < share)
    own = size * GB - BASE_BYTES["node"] - taken
    assert 42_000_000 < own < 46_000_000  # what the application has of its own
    assert all(share == 1.0 for share in found.shares[:-1])


def test_a_small_image_has_the_small_base() -> None:
    assert plan(0.25, FILES, BASE_BYTES).base == BASES["debian"]


def test_an_image_smaller_than_its_base_is_refused() -> None:
    with pytest.raises(BenchError, match="less than the base"):
        plan(0.1, FILES, BASE_BYTES)


def test_shares_are_evenly_spread() -> None:
    taken = [file for file in FILES if file.share < 0.3]
    assert 0.27 < len(taken) / len(FILES) < 0.33
    assert share_for(FILES, 10**12) == 1.0
    none = share_for(FILES, 1)
    assert not [file for file in FILES if file.share < none]


def test_every_folder_is_taken_whole(root: Path) -> None:
    shares: dict[str, set[float]] = {}
    for file in list_packages(root):
        shares.setdefault(file.path.rpartition("/")[0], set()).add(file.share)
    assert {len(found) for found in shares.values()} == {1}


def test_links_stay_links_and_are_not_followed(root: Path) -> None:
    found = {file.path: file for file in list_packages(root)}
    assert found[".bin/tool"].target == "../p1/lib/index.js"
    assert found["scope"].target == "p2"
    assert "scope/lib/index.js" not in found
    assert len(found) == 82


def test_the_context_is_the_same_every_time_and_holds_what_the_dockerfile_copies(root: Path) -> None:
    first = members(root, shares=(1.0,), edited=False)
    assert members(root, shares=(1.0,), edited=False) == first
    copied = [line.split()[1:-1] for line in first["Dockerfile"].decode().splitlines() if line.startswith("COPY")]
    for name in (name for names in copied for name in names):
        assert any(path == name or path.startswith(name + "/") for path in first), name


def test_an_edit_changes_one_source_file(root: Path) -> None:
    plain = members(root, shares=(1.0,), edited=False)
    edited = members(root, shares=(1.0,), edited=True)
    assert [name for name in plain if plain[name] != edited[name]] == [EDITED]
    assert plain.keys() == edited.keys()
    assert source(1, edited=True) == source(1, edited=False)


def test_copies_of_the_packages_share_no_content(root: Path) -> None:
    found = members(root, shares=(1.0, 1.0, 1.0), edited=False)
    own = {
        name: data for name, data in found.items() if "node_modules/" in name and not name.endswith(("tool", "scope"))
    }
    assert len(own) == 3 * 80
    assert len(set(own.values())) == len(own)
    assert "COPY packages/2 ./packages/2" in dockerfile(plan(4, FILES, BASE_BYTES))


def test_each_secret_is_in_its_file_alone(root: Path) -> None:
    found = members(root, shares=(1.0,), edited=False)
    for item in planted():
        holders = [f"app/{name}" for name, data in found.items() if item.token.encode() in data]
        assert holders == [item.path]
    assert found["vendor/addon.node"].startswith(b"\x7fELF")
    assert b"\n" not in found["public/bundle.js"]
    assert json.loads(found["config/production.json"])["releases"]["token"]


def test_the_deleted_file_is_deleted_by_a_later_step() -> None:
    steps = dockerfile(plan(1, FILES, BASE_BYTES)).splitlines()
    name = PLACES["deleted"].removeprefix("app/")
    assert next(i for i, step in enumerate(steps) if step.startswith("COPY") and name in step) < next(
        i for i, step in enumerate(steps) if step.startswith("RUN rm") and name in step
    )


def test_tokens_have_githubs_form_and_are_not_shown() -> None:
    tokens = {item.token for item in planted()}
    assert len(tokens) == len(PLACES)
    for token in tokens:
        body, check = token[4:34], token[34:]
        value = 0
        for digit in check:
            value = value * 62 + BASE62.index(digit)
        assert token.startswith("ghp_")
        assert value == zlib.crc32(body.encode())
    assert {item.token for item in planted("another")}.isdisjoint(tokens)
    assert not [token for token in tokens if token in repr(planted())]


@pytest.mark.parametrize(("size", "name"), [(1.0, "1g"), (0.25, "0.25g"), (4.0, "4g")])
def test_size_name(size: float, name: str) -> None:
    assert size_name(size) == name


def test_the_lock_file_names_no_registry_and_pins_everything() -> None:
    lock = json.loads((packages.HERE / "package-lock.json").read_text())
    manifest = json.loads((packages.HERE / "package.json").read_text())
    entries = {name: entry for name, entry in lock["packages"].items() if name}
    assert not [name for name, entry in entries.items() if "resolved" in entry]
    assert not [name for name, entry in entries.items() if "integrity" not in entry and not entry.get("inBundle")]
    assert lock["packages"][""]["dependencies"] == manifest["dependencies"]
    assert all(entries[f"node_modules/{name}"]["version"] == pin for name, pin in manifest["dependencies"].items())
