"""A second scan gives the report of the first, from what was kept; and what was kept holds no secret."""

from __future__ import annotations

import base64
import gzip
import json
import os
import shutil
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any
from zipfile import ZIP_STORED

import msgspec
import pytest
from archivemaker import zipped
from daemon import INFO, Server, serve
from imagemaker import Made, docker25, legacy, oci
from secretmaker import token_of
from tarmaker import archive, directory, hardlink, header, member, symlink
from tarsplits import Store

from imgscan.cli.main import run
from imgscan.layerresult import KeptLayer
from imgscan.store.checks import CHECK_BYTES

TOKEN = token_of("kept")
WRAPPED = token_of("wrapped")
PASSWORD = "correct-" + "horse-9-battery"
PEM = "-----BEGIN RSA PRIVATE " + "KEY-----\n"
PEM_BODY = base64.b64encode(bytes(range(1, 256)) * 3).decode()
KEY = PEM + "\n".join(PEM_BODY[at : at + 64] for at in range(0, len(PEM_BODY), 64)) + "\n" + PEM.replace("BEGIN", "END")
SECRETS = (TOKEN, WRAPPED, PASSWORD, PEM_BODY[:64], PEM_BODY[128:192])

BASE = archive(directory(b"etc/"), member(b"etc/os-release", b"ID=none\n"), member(b"etc/big", b"\0\1" * 40_000))
APP = archive(
    directory(b"app/"),
    member(b"app/.env", f"A=1\nDB_PASSWORD={PASSWORD}\n".encode()),
    member(b"app/token.json", f'{{"token": "{TOKEN}"}}'.encode()),
    member(b"app/wrapped", b"data: " + base64.b64encode(f"token={WRAPPED}".encode()) + b"\n"),
    member(b"app/id_rsa", KEY.encode()),
    member(b"app/app.jar", zipped({"config/.env": f"B=2\nDB_PASSWORD={PASSWORD}\n".encode(), "t.txt": TOKEN.encode()})),
    member(b"app/open.zip", zipped({"conf.ini": f"db_password={PASSWORD}\n".encode()}, ZIP_STORED)),
    member(b"app/cut.gz", gzip.compress(TOKEN.encode() * 3)[:-9]),
    member(b"app/late", b"\0" * 600_000 + f"\n{TOKEN}\n".encode()),
    hardlink(b"app/same", b"app/token.json"),
    symlink(b"app/link", b"same"),
    member(b"app/copy", b"\0\1" * 40_000),
    member(b"app/su", b"x", mode=0o4755),
)
TOP = archive(
    header(b"app/.wh.token.json"), member(b"app/id_rsa", b""), directory(b"etc/"), header(b"etc/.wh..wh..opq")
)
HISTORY = [
    {"created_by": "ADD rootfs.tar / # buildkit"},
    {"created_by": "COPY . /app # buildkit"},
    {"created_by": f"RUN /bin/sh -c login {PASSWORD} {TOKEN} # buildkit"},
]
IMAGE = Made(layers=(BASE, APP, TOP), history=HISTORY)
LAYOUTS: dict[str, Callable[[Made], bytes]] = {"docker25": docker25, "legacy": legacy, "oci": oci}


@contextmanager
def environment(**values: str | None) -> Iterator[None]:
    """Variables of the environment; None takes one out."""
    before = {name: os.environ.get(name) for name in values}
    for name, value in values.items():
        os.environ.pop(name, None)
        if value is not None:
            os.environ[name] = value
    try:
        yield
    finally:
        for name, value in before.items():
            os.environ.pop(name, None)
            if value is not None:
                os.environ[name] = value


@pytest.fixture(scope="module")
def compiled(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A cache folder with compiled rules and nothing else."""
    folder = tmp_path_factory.mktemp("compiled")
    clean = folder / "clean.tar"
    clean.write_bytes(docker25(Made(layers=(archive(member(b"a", TOKEN.encode())),))))
    with environment(XDG_CACHE_HOME=str(folder)):
        assert run(["scan", str(clean), "--no-config", "--quiet", "--no-cache"]) == 1
    return folder


@pytest.fixture(autouse=True)
def cache(compiled: Path, tmp_path: Path) -> Iterator[Path]:
    """Results are kept, in a folder of the test's own."""
    shutil.copytree(compiled / "imgscan", tmp_path / "cache" / "imgscan")
    with environment(XDG_CACHE_HOME=str(tmp_path / "cache"), IMGSCAN_NO_CACHE=None):
        yield tmp_path / "cache" / "imgscan"


class Scans:
    """Scans one after the other; `notes` is what the last one said on the way."""

    def __init__(self, folder: Path, capsys: pytest.CaptureFixture[str]) -> None:
        self._folder = folder
        self._capsys = capsys
        self.notes = ""

    def scan(self, target: str | Path, *args: str, code: int = 1) -> dict[str, Any]:
        out = self._folder / "report.json"
        out.unlink(missing_ok=True)
        table = ["--format", f"json={out}", "--format", "table", "--format", f"markdown={self._folder / 'report.md'}"]
        found = run(["scan", str(target), "--no-config", "--verbose", *table, *args])
        shown = self._capsys.readouterr()
        assert found == code, shown.err
        self.notes = shown.err
        text = out.read_text(encoding="utf-8")
        for written in (shown.out, shown.err, text, (self._folder / "report.md").read_text(encoding="utf-8")):
            assert not [number for number, secret in enumerate(SECRETS) if secret in written]
        report: dict[str, Any] = json.loads(text)
        return report


@pytest.fixture
def scans(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> Scans:
    return Scans(tmp_path, capsys)


def saved(path: Path, image: Made, layout: Callable[[Made], bytes] = docker25) -> Path:
    path.write_bytes(layout(image))
    return path


def check_no_secret(cache: Path) -> None:
    """In no file of what was kept, as it stands or wrapped."""
    files = [path for path in cache.rglob("*") if path.is_file()]
    assert files
    for path in files:
        data = path.read_bytes()
        for number, secret in enumerate(SECRETS):
            for form in (
                secret.encode(),
                base64.b64encode(f"token={secret}".encode())[4:-4],
                secret.encode("utf-16-le"),
            ):
                assert form not in data, f"secret {number} in {path.name}"


@pytest.mark.parametrize("jobs", ["1", "2"])
@pytest.mark.parametrize("layout", LAYOUTS.values(), ids=LAYOUTS)
def test_the_second_scan_of_an_archive(
    layout: Callable[[Made], bytes], jobs: str, scans: Scans, cache: Path, tmp_path: Path
) -> None:
    path = saved(tmp_path / "image.tar", IMAGE, layout)
    first = scans.scan(path, "--jobs", jobs)
    check_no_secret(cache)
    assert {finding["rule_id"] for finding in first["findings"]} > {"secret-github-token", "secret-env-assignment"}
    assert scans.scan(path, "--jobs", jobs) == first
    check_no_secret(cache)
    assert scans.scan(path, "--jobs", jobs, "--no-cache") == first


def test_a_layout_in_a_folder(scans: Scans, tmp_path: Path) -> None:
    import io
    import tarfile

    folder = tmp_path / "layout"
    with tarfile.open(fileobj=io.BytesIO(oci(IMAGE))) as tar:
        tar.extractall(folder, filter="data")
    first = scans.scan(folder)
    assert scans.scan(folder) == first


def test_another_image_with_the_same_layers(scans: Scans, tmp_path: Path) -> None:
    """What hides what is not kept: on other layers everything of a layer is visible again."""
    scans.scan(saved(tmp_path / "one.tar", IMAGE))
    other = saved(tmp_path / "two.tar", Made(layers=(BASE, APP), history=HISTORY[:2]))
    again = scans.scan(other)
    assert again == scans.scan(other, "--no-cache")


def test_a_layer_that_says_it_is_another_one(scans: Scans, cache: Path, tmp_path: Path) -> None:
    """The archive states the diffID of a layer that is kept, but holds other bytes: they are what is searched."""
    clean = Made(layers=(archive(member(b"bin/app", b"\x7fELF" + bytes(3000))),))
    assert run(["scan", str(saved(tmp_path / "clean.tar", clean)), "--no-config", "--quiet", "--exit-zero"]) == 0
    liar = archive(member(b"bin/app", f"\x7fELF {TOKEN} {'-' * 2962}".encode()))
    lying = docker25(clean).replace(
        clean.layers[0][:-1024], (liar + bytes(len(clean.layers[0])))[: len(clean.layers[0]) - 1024]
    )
    assert lying != docker25(clean)
    path = tmp_path / "lying.tar"
    path.write_bytes(lying)
    report = scans.scan(path)
    assert "secret-github-token" in {finding["rule_id"] for finding in report["findings"]}
    assert report["complete"] is False
    assert "diffID" in json.dumps(report["skipped"])
    assert scans.scan(path) == report
    assert scans.scan(path, "--no-cache") == report


def results(cache: Path) -> Path:
    return cache / "layers.sqlite3"


def test_no_cache_reads_and_writes_no_results(scans: Scans, cache: Path, tmp_path: Path) -> None:
    path = saved(tmp_path / "image.tar", IMAGE)
    scans.scan(path, "--no-cache")
    assert not results(cache).exists()
    scans.scan(path)
    before = results(cache).read_bytes(), results(cache).stat().st_mtime_ns
    scans.scan(path, "--no-cache")
    assert (results(cache).read_bytes(), results(cache).stat().st_mtime_ns) == before


@pytest.mark.parametrize(
    "change",
    [
        pytest.param(lambda data: b"no database" * 500, id="no-database"),
        pytest.param(lambda data: data[:5000], id="cut-off"),
        pytest.param(lambda data: data[:8192] + bytes(len(data) - 8192), id="zeros"),
    ],
)
def test_damage_is_no_trouble_of_a_scan_s(
    change: Callable[[bytes], bytes], scans: Scans, cache: Path, tmp_path: Path
) -> None:
    path = saved(tmp_path / "image.tar", IMAGE)
    first = scans.scan(path)
    results(cache).write_bytes(change(results(cache).read_bytes()))
    assert scans.scan(path) == first
    assert scans.scan(path) == first


@pytest.mark.parametrize("what", ["DELETE FROM blocks", "UPDATE blocks SET data = x'00'"])
def test_blocks_that_are_gone(what: str, scans: Scans, cache: Path, tmp_path: Path) -> None:
    """They are missed only once the layers are stacked, when others are read already."""
    import sqlite3
    from contextlib import closing

    clean = Made(layers=(archive(member(b"a", b"1" * 5000)), archive(member(b"a", b"2"))))
    path = saved(tmp_path / "image.tar", clean)
    first = scans.scan(path, code=0)
    with closing(sqlite3.connect(results(cache))) as connection, connection:
        connection.execute(what)
    assert scans.scan(path, code=0) == first
    assert "reading all layers" in scans.notes
    assert scans.scan(path, code=0) == first
    assert scans.scan(path, code=0) == first
    assert "reading all layers" not in scans.notes


def test_a_folder_that_others_may_write_to(scans: Scans, cache: Path, tmp_path: Path) -> None:
    path = saved(tmp_path / "image.tar", IMAGE)
    first = scans.scan(path)
    cache.chmod(0o777)
    before = results(cache).read_bytes()
    assert scans.scan(path) == first
    assert results(cache).read_bytes() == before


class FakeEngine:
    """An engine that tells where its store is and exports the image; `exports` counts how often it had to."""

    def __init__(self, server: Server, root: Path, image: Made) -> None:
        self.store = Store(root)
        self.image = image
        self.record = self.store.add(image)
        self.exports = 0
        self.host = server.host
        server.says("GET /info", {**INFO, "DockerRootDir": str(root)})
        server.says("GET /images/app:1/json", self.record)
        history = [{"CreatedBy": item["created_by"], "Size": 1} for item in image.history or ()]
        server.says("GET /images/app:1/history", history[::-1])

        def export(handler: Any) -> None:
            self.exports += 1
            handler.start_stream()
            handler.chunk(docker25(image))
            handler.chunk(b"")

        server.answers[f"GET /images/{self.record['Id']}/get"] = export


@pytest.fixture
def engine(tmp_path: Path) -> Iterator[FakeEngine]:
    root = tmp_path / "docker"
    root.mkdir()
    with serve(tmp_path) as server, environment(DOCKER_HOST=str(server.host)):
        yield FakeEngine(server, root, IMAGE)


def without_store(report: dict[str, Any]) -> dict[str, Any]:
    """A report without what an export and a store say differently of the same image: their blobs' names."""
    for layer in report["image"]["layers"]:
        layer["digest"] = None
    report["target"].update(kind="", ref="")
    return report


@pytest.mark.parametrize("jobs", ["1", "2"])
def test_scans_of_an_engine_s_store(jobs: str, engine: FakeEngine, scans: Scans, cache: Path) -> None:
    first = scans.scan("app:1", "--jobs", jobs)
    check_no_secret(cache)
    second = scans.scan("app:1", "--jobs", jobs)
    check_no_secret(cache)
    assert engine.exports == 0
    assert second == first
    assert scans.scan("app:1", "--jobs", jobs, "--no-cache") == first


def test_a_store_an_export_and_an_archive_say_the_same(engine: FakeEngine, scans: Scans, tmp_path: Path) -> None:
    stored = scans.scan("app:1", "--no-cache")
    (engine.store.files_of(IMAGE, 1) / "app/late").unlink()
    exported = scans.scan("app:1", "--no-cache")
    assert engine.exports == 1
    assert "the engine's store cannot be read" in scans.notes
    archived = scans.scan(saved(tmp_path / "image.tar", IMAGE), "--no-cache")
    assert without_store(stored) == without_store(exported) == without_store(archived)


def test_a_kept_layer_whose_file_has_changed_since(engine: FakeEngine, scans: Scans) -> None:
    """Its weak secret is to be looked up where it lay: the layer is read instead, and that fails in the store too."""
    first = scans.scan("app:1")
    (engine.store.files_of(IMAGE, 1) / "app/.env").write_bytes(b"A=1\n")
    again = scans.scan("app:1")
    assert engine.exports == 1
    assert without_store(again) == without_store(first)


def test_kept_of_an_archive_and_used_for_the_engine(engine: FakeEngine, scans: Scans, tmp_path: Path) -> None:
    archived = scans.scan(saved(tmp_path / "image.tar", IMAGE))
    stored = scans.scan("app:1")
    assert engine.exports == 0
    assert without_store(stored) == without_store(archived)


def test_what_is_inside_an_archive_is_found_again(engine: FakeEngine, scans: Scans, cache: Path) -> None:
    """A password of an archive's member is in no place of the file where it could be looked up, not even if the member
    is stored as it is; what could not be read is told again."""
    first = scans.scan("app:1")
    places = {place["path"] for finding in first["findings"] for place in finding["places"]}
    assert {"/app/app.jar!/config/.env", "/app/app.jar!/t.txt", "/app/open.zip!/conf.ini"} <= places
    (kept,) = [each for each in kept_layers(cache) if each.again]
    assert {path for path, _ in kept.again} >= {b"app/app.jar", b"app/open.zip"}
    assert not {place.path for place in kept.places} & {b"app/app.jar", b"app/open.zip"}
    assert not [packed for _, packed in kept.hits if packed[1]]
    assert [reason for _, reason in kept.left_out] == ["the compressed data ends too early"]
    assert [item["reason"] for item in first["coverage"]["not_read"]] == ["the compressed data ends too early"]
    assert scans.scan("app:1") == first


def kept_layers(cache: Path) -> list[KeptLayer]:
    """The records of what was kept."""
    import sqlite3
    from contextlib import closing

    decoder = msgspec.msgpack.Decoder(KeptLayer)
    with closing(sqlite3.connect(results(cache))) as connection:
        rows = connection.execute("SELECT summary FROM layers").fetchall()
    return [decoder.decode(row[0][CHECK_BYTES:]) for row in rows]
