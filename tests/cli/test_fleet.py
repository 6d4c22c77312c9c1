"""`imgscan fleet` as its users run it: a process of its own, a real registry, ended at any moment by whatever."""

from __future__ import annotations

import base64
import json
import os
import random
import signal
import subprocess
import sys
import threading
import time
from collections.abc import Iterator, Sequence
from contextlib import suppress
from pathlib import Path

import pytest
from fleetregistry import APPS, SECRETS, blob_requests, fill, findings_of, layer_digests
from postgres import PASSWORD as DATABASE_PASSWORD
from postgres import Server, emptied, postgres_server
from registries import htpasswd, running
from tarmaker import archive, member

pytestmark = pytest.mark.registry
USER, PASSWORD = "us" + "er", "pass" + "word" + "-3"
_NOISE = random.Random(8)
SLOW = {
    f"slow/app{number}:1": (
        *APPS["base/leaky:1"],
        *(archive(member(b"srv/%d" % part, _NOISE.randbytes(250_000))) for part in range(3)),
    )
    for number in range(4)
}
LIMITED = ("--bandwidth", "700kB", "--jobs", "2")
"""Some three megabytes in some four seconds."""


def command(refs: Sequence[str], store: str, out: Path, *more: str) -> list[str]:
    listed = out.with_suffix(".txt")
    listed.write_text("".join(f"{ref}\n" for ref in refs))
    outputs = ["--format", f"json={out}", "--no-config", "--exit-zero"]
    return [sys.executable, "-m", "imgscan", "fleet", str(listed), "--store", store, *outputs, *more]


def fleet(
    refs: Sequence[str], store: str, out: Path, *more: str, code: int = 0, config: Path | None = None
) -> subprocess.CompletedProcess[str]:
    done = subprocess.run(
        command(refs, store, out, *more), capture_output=True, text=True, timeout=120, env=environment(config)
    )
    assert done.returncode == code, done.stderr
    assert "Traceback" not in done.stderr
    return done


def environment(config: Path | None = None) -> dict[str, str]:
    return {**os.environ, **({"DOCKER_CONFIG": str(config)} if config is not None else {})}


@pytest.fixture
def registry(tmp_path: Path) -> Iterator[tuple[str, Path]]:
    folder = tmp_path / "registry"
    folder.mkdir()
    with running(folder) as host:
        yield host, folder / "log"


@pytest.fixture(scope="module")
def server() -> Iterator[Server]:
    with postgres_server() as started:
        yield started


def undisturbed(refs: Sequence[str], folder: Path) -> set[tuple[str, str, str]]:
    out = folder / "undisturbed.json"
    fleet(refs, f"sqlite:///{folder}/undisturbed.sqlite3", out, "--quiet")
    return findings_of(out)


def test_a_run_from_the_list_to_its_reports(
    registry: tuple[str, Path], tmp_path_factory: pytest.TempPathFactory
) -> None:
    host, _ = registry
    tmp_path = tmp_path_factory.mktemp("reports")
    refs = fill(host)
    store, out = f"sqlite:///{tmp_path}/f.sqlite3", tmp_path / "out.json"
    more = [f"--format={name}={tmp_path / name}" for name in ("jsonl", "markdown", "html", "sarif", "prometheus")]
    done = fleet(refs, store, out, *more)
    assert "FIRST RUN" in done.stdout
    assert len(list((tmp_path / "sarif").iterdir())) == len(refs)
    files = [path for path in tmp_path.rglob("*") if path.is_file() and "sqlite" not in path.name]
    written = [done.stdout, done.stderr, *(path.read_text(errors="replace") for path in files)]
    for text in written:
        assert not [number for number, secret in enumerate(SECRETS) if secret in text]
    again = subprocess.run(
        [word for word in command(refs, store, out, "--fail-on-new") if word != "--exit-zero"],
        capture_output=True, text=True, timeout=120,
    )  # fmt: skip
    assert again.returncode == 0, again.stderr
    fill(host, {"pay/web:1": APPS["shop/job:1"]})
    new = subprocess.run(
        [word for word in command(refs, store, out, "--fail-on-new") if word != "--exit-zero"],
        capture_output=True, text=True, timeout=120,
    )  # fmt: skip
    assert new.returncode == 1, new.stderr
    assert "pay/web:1" in new.stdout


RULE = """\
- id: acme-id
  title: ACME id
  severity: high
  pattern: '\\b(?P<secret>acme_[a-z0-9]{8})\\b'
  why: It opens every door.
  fix: Ask ACME for another one.
  examples: ["token = acme_3f9k2m7q"]
  near_misses: ["token = acme_short"]
"""


def test_new_rules_read_only_what_they_must(registry: tuple[str, Path], tmp_path: Path) -> None:
    host, _ = registry
    refs = fill(host, {"a:1": (archive(member(b"srv/x", b"token = acme_8d2h5j1s")),)})
    store, out = f"sqlite:///{tmp_path}/f.sqlite3", tmp_path / "out.json"
    seen = []
    for number, text in enumerate((RULE, RULE.replace("another", "a new"), RULE.replace("{8}", "{7,8}"))):
        rules = tmp_path / f"rules{number}" / "rules.yml"
        rules.parent.mkdir()
        rules.write_text(text)
        sarif = tmp_path / f"sarif{number}"
        fleet(refs, store, out, "--rules", str(rules), f"--format=sarif={sarif}")
        figures = json.loads(out.read_text())["figures"]
        (written,) = sarif.iterdir()
        seen.append((figures["images_kept"], figures["layers_read"], "a new one" in written.read_text()))
    assert seen == [(0, 1, False), (0, 0, True), (0, 1, False)]


def test_no_login_is_written_down(tmp_path: Path) -> None:
    folder = tmp_path / "registry"
    folder.mkdir()
    login = base64.b64encode(f"{USER}:{PASSWORD}".encode()).decode()
    config = tmp_path / "docker"
    config.mkdir()
    with running(folder, htpasswd(folder, USER, PASSWORD)) as host:
        (config / "config.json").write_text(json.dumps({"auths": {host: {"auth": login}}}))
        refs = fill(host, headers={"Authorization": f"Basic {login}"})
        store, out = f"sqlite:///{tmp_path}/f.sqlite3", tmp_path / "out.json"
        away = fleet(refs[:1], store, out)
        assert "denied" in away.stdout or "password" in away.stdout or "login" in away.stdout
        done = fleet(refs, store, out, "--jobs", "2", "--verbose", config=config)
    assert json.loads(out.read_text())["complete"] is True
    for path in tmp_path.iterdir():
        if path.is_file():
            data = path.read_bytes()
            assert PASSWORD.encode() not in data, path.name
            assert login.encode() not in data, path.name
    for text in (away.stdout, away.stderr, done.stdout, done.stderr):
        assert PASSWORD not in text
        assert login not in text


@pytest.mark.parametrize("kind", ["sqlite", "postgresql"])
def test_a_run_that_is_killed_goes_on(kind: str, registry: tuple[str, Path], server: Server, tmp_path: Path) -> None:
    """kill -9 at three moments: what comes of it is what an undisturbed run says, and little is read twice."""
    host, log = registry
    refs = fill(host, SLOW)
    store = f"sqlite:///{tmp_path}/f.sqlite3" if kind == "sqlite" else emptied(server.url)
    out = tmp_path / "out.json"
    moments = random.Random(kind)
    for _ in range(3):
        process = subprocess.Popen(
            command(refs, store, out, *LIMITED, "--quiet"), stderr=subprocess.DEVNULL, start_new_session=True
        )
        time.sleep(moments.uniform(0.8, 2.5))
        process.kill()
        process.wait()
        assert not still_running(process.pid)
    fleet(refs, store, out, "--quiet")
    asked = [digest for digest in blob_requests(log) if digest in layer_digests(SLOW)]
    assert set(asked) == layer_digests(SLOW)
    assert len(asked) <= len(layer_digests(SLOW)) + 3 * 4
    assert findings_of(out) == undisturbed(refs, tmp_path)


def still_running(session: int) -> bool:
    """Whether anything of a session is there after a moment: workers end with who gave them work."""
    for _ in range(100):
        members = [path for path in Path("/proc").glob("[0-9]*/stat") if session_of(path) == session]
        if not members:
            return False
        time.sleep(0.1)
    return True


def session_of(stat: Path) -> int:
    try:
        return int(stat.read_text().rpartition(")")[2].split()[3])
    except OSError:
        return -1


def test_a_killed_worker_is_nobodys_loss(registry: tuple[str, Path], tmp_path: Path) -> None:
    host, _ = registry
    refs = fill(host, SLOW)
    out = tmp_path / "out.json"
    process = subprocess.Popen(
        command(refs, f"sqlite:///{tmp_path}/f.sqlite3", out, *LIMITED, "--quiet"), start_new_session=True
    )
    killed = 0
    while process.poll() is None:
        time.sleep(0.4)
        workers = [pid for pid in worker_processes(process.pid) if killed < 3]
        for pid in workers[:1]:
            with suppress(ProcessLookupError):  # it has just ended by itself
                os.kill(pid, signal.SIGKILL)
                killed += 1
    assert process.returncode == 0
    assert killed
    assert findings_of(out) == undisturbed(refs, tmp_path)


def worker_processes(session: int) -> list[int]:
    """Processes of a session that read layers: those that the helper of the first one has started."""
    members = {int(path.parent.name): path for path in Path("/proc").glob("[0-9]*/stat") if session_of(path) == session}
    return sorted(number for number, path in members.items() if parent_of(path) in members.keys() - {session})


def parent_of(stat: Path) -> int:
    try:
        return int(stat.read_text().rpartition(")")[2].split()[1])
    except OSError:
        return -1


@pytest.mark.parametrize("after_s", [1.2, 2.0, 2.8])
def test_the_registry_is_killed_and_comes_back(after_s: float, tmp_path: Path) -> None:
    folder = tmp_path / "registry"
    folder.mkdir()
    out, store = tmp_path / "out.json", f"sqlite:///{tmp_path}/f.sqlite3"
    with running(folder, ends=signal.SIGKILL) as host:
        refs = fill(host, {"slow/app0:1": SLOW["slow/app0:1"][:2]})
        slowly = ("--bandwidth", "100kB", "--jobs", "2")
        process = subprocess.Popen(command(refs, store, out, *slowly, "--quiet"))
        time.sleep(after_s)
    process.wait(120)
    assert process.returncode in (0, 3)
    with running(folder, port=int(host.rpartition(":")[2])):
        fleet(refs, store, out, "--quiet")
        now = {(image, print_) for image, print_, _ in findings_of(out)}
        assert now == {(image, print_) for image, print_, _ in undisturbed(refs, tmp_path)}


def test_the_database_goes_away_and_comes_back(registry: tuple[str, Path], tmp_path: Path) -> None:
    host, _ = registry
    refs = fill(host, SLOW)
    out = tmp_path / "out.json"
    with postgres_server() as server:
        process = subprocess.Popen(
            command(refs, server.url, out, *LIMITED, "--quiet"), stderr=subprocess.PIPE, text=True
        )
        for _ in range(3):
            time.sleep(1.2)
            server.kill()
            time.sleep(0.3)
            server.start()
        _, said = process.communicate(timeout=120)
        assert process.returncode in (0, 3), said
        assert DATABASE_PASSWORD not in said
        if process.returncode:
            fleet(refs, server.url, out, "--quiet")
    assert findings_of(out) == undisturbed(refs, tmp_path)


@pytest.mark.parametrize("kind", ["sqlite", "postgresql"])
def test_two_runs_at_once(kind: str, registry: tuple[str, Path], server: Server, tmp_path: Path) -> None:
    host, _ = registry
    refs = fill(host, SLOW | APPS)
    store = f"sqlite:///{tmp_path}/f.sqlite3" if kind == "sqlite" else emptied(server.url)
    outs = [tmp_path / "one.json", tmp_path / "two.json"]
    runs = [threading.Thread(target=fleet, args=(refs, store, out, *LIMITED, "--quiet")) for out in outs]
    for run in runs:
        run.start()
    for run in runs:
        run.join()
    expected = {(image, print_) for image, print_, _ in undisturbed(refs, tmp_path)}
    for out in outs:
        assert {(image, print_) for image, print_, _ in findings_of(out)} == expected
    fleet(refs, store, outs[0], "--quiet")
    assert {(image, print_) for image, print_, _ in findings_of(outs[0])} == expected
    assert {change for _, _, change in findings_of(outs[0])} == {"standing"}


@pytest.mark.parametrize(
    ("words", "expected"),
    [
        (["registry://nothing here/"], "registry"),
        (["missing.txt"], "missing.txt"),
        (["x:1", "--semver", "many"], "many"),
        (["x:1", "--format", "sarif"], "folder"),
        (["x:1", "--store", "mysql://h/d"], "mysql"),
        (["x:1", "--bandwidth", "much"], "50MB"),
        (["x:1", "--since", "long"], "long"),
    ],
    ids=lambda value: " ".join(value) if isinstance(value, list) else None,
)
def test_what_is_asked_wrongly_is_said(words: list[str], expected: str, tmp_path: Path) -> None:
    done = subprocess.run(
        [sys.executable, "-m", "imgscan", "fleet", *words, "--no-config"], capture_output=True, text=True, cwd=tmp_path
    )
    assert done.returncode == 2, done.stderr
    assert expected in done.stderr
    assert "Traceback" not in done.stderr
