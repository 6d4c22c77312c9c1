"""Workers log in to registries by themselves, and nothing of it is seen anywhere else: a registry with a password, a
cluster with all that it tells of itself."""

from __future__ import annotations

import base64
import gzip
import json
import threading
import time
from collections.abc import Iterator
from contextlib import closing, contextmanager
from pathlib import Path
from typing import Any
from urllib.parse import quote

import msgspec
import pytest
import requests
from daskcluster import Cluster
from distributed import Client
from fleetwork import number_of, read_layers_of, task
from imagemaker import Made
from registries import Pusher, TokenIssuer, htpasswd, running
from registryimages import BASIC, NOISE, ONE, PASSWORD, USER, push_one
from webserver import serving

from imgscan.fleet.execute import Done, execute
from imgscan.fleet.limits import Limits
from imgscan.fleets import LayerTask

pytestmark = [pytest.mark.registry]
SEAL_KEY = bytes(range(100, 132))
PAGES = (
    "info/main/workers.html",
    "info/main/logs.html",
    "info/main/exceptions.html",
    "json/counts.json",
    "json/identity.json",
    "metrics",
)
IMAGE = Made(layers=(ONE, NOISE))


@pytest.fixture(autouse=True)
def no_logins(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Who sends the tasks has no login of any kind."""
    for name in ("REGISTRY_AUTH_FILE", "XDG_RUNTIME_DIR", "XDG_CONFIG_HOME"):
        monkeypatch.delenv(name, raising=False)
    monkeypatch.setenv("HOME", str(tmp_path / "nobody"))
    monkeypatch.setenv("DOCKER_CONFIG", str(tmp_path / "nobody"))


@contextmanager
def workers_with_login(folder: Path, host: str) -> Iterator[Cluster]:
    auth = base64.b64encode(f"{USER}:{PASSWORD}".encode()).decode()
    (folder / "login").mkdir()
    (folder / "login/config.json").write_text(json.dumps({"auths": {host: {"auth": auth}}}))
    made = Cluster(folder, {"DOCKER_CONFIG": str(folder / "login")})
    try:
        made.start_scheduler("--port", "0", "--dashboard", "--dashboard-address", "127.0.0.1:0")
        for _ in range(2):
            made.start_worker()
        yield made
    finally:
        made.close()


def tasks_of(host: str) -> list[LayerTask]:
    """Two that read, one that may not, and one that fails as badly as it can."""
    return [
        msgspec.structs.replace(
            task(number, ref=f"registry://{host}/{name}:1", host=host), kind=kind, seal_key=SEAL_KEY
        )
        for number, (name, kind) in enumerate(
            [("team/app", "registry"), ("team/app", "bug"), ("team/other", "registry"), ("team/app", "registry")]
        )
    ]


class Watcher:
    """Takes down all that a cluster says of itself, again and again."""

    def __init__(self, cluster: Cluster, folder: Path) -> None:
        self._cluster = cluster
        self._folder = folder
        self._stop = threading.Event()
        self.seen: list[bytes] = []
        self.keys: set[str] = set()
        self.answered: set[str] = set()
        self.looks = 0
        self._thread = threading.Thread(target=self._watch)

    def __enter__(self) -> Watcher:
        self._thread.start()
        return self

    def __exit__(self, *_: object) -> None:
        self._stop.set()
        self._thread.join()

    def _watch(self) -> None:
        with Client(self._cluster.address, set_as_default=False) as client:  # type: ignore[no-untyped-call]
            while not self._stop.is_set():
                self.look(client)
                self.looks += 1

    def look(self, client: Any) -> None:
        file = self._folder / f"dump-{self.looks}"
        client.dump_cluster_state(str(file), format="msgpack")
        self.seen.append(gzip.decompress(file.with_suffix(".msgpack.gz").read_bytes()))
        self.seen.append(repr((client.get_scheduler_logs(), client.get_worker_logs(), client.call_stack())).encode())
        keys = client.run_on_scheduler(lambda dask_scheduler: list(dask_scheduler.tasks))
        workers = client.run_on_scheduler(lambda dask_scheduler: list(dask_scheduler.workers))
        self.keys |= set(keys)
        names = [*PAGES, *(f"info/{kind}/{key}.html" for key in keys for kind in ("task", "call-stack"))]
        names += [
            f"info/{kind}/{quote(worker, safe='')}.html"
            for worker in workers
            for kind in ("worker", "logs", "call-stacks")
        ]
        for name in names:
            answer = requests.get(f"{self._cluster.dashboard}/{name}", timeout=10)
            self.seen.append(answer.content)
            if answer.status_code == 200:
                self.answered.add(name.rpartition("/")[0])


def check(done: list[Done], watcher: Watcher, log: bytes, more: list[str]) -> None:
    results = {number_of(one.task): one for one in done}
    assert results[0].outcomes is not None, results[0].problem
    assert results[0].outcomes[0].read_bytes > 1_500_000
    assert results[1].problem.startswith("internal error: ValueError at fleetwork.py:")
    assert "refuses access" in results[2].problem or "has no" in results[2].problem
    assert watcher.looks >= 2
    # Tasks come and go between two questions, so some pages are not there any more.
    assert watcher.answered >= {"info/main", "info/task", "info/call-stack", "info/worker", "info/logs", "json"}
    assert any(key.startswith("layer-000000000000-") for key in watcher.keys)
    seen = b"\n".join([*watcher.seen, log, repr(done).encode().replace(repr(SEAL_KEY).encode(), b"")])
    assert b"layer-000000000000-" in seen
    basic = base64.b64encode(f"{USER}:{PASSWORD}".encode()).decode()
    # Call stacks show lines of the source, in which the words themselves stand: what counts are values.
    words = [PASSWORD, basic, "Authorization: ", "Basic " + basic[:8], "Bearer ey", *more]
    forms = [
        *(word.encode() for word in words),
        SEAL_KEY,
        repr(SEAL_KEY)[2:-1].encode(),
        SEAL_KEY.hex().encode(),
        base64.b64encode(SEAL_KEY),
    ]
    assert [form for form in forms if form in seen] == []


def test_a_registry_with_a_password(tmp_path: Path) -> None:
    registry = tmp_path / "registry"
    registry.mkdir()
    with running(registry, htpasswd(registry, USER, PASSWORD)) as host:
        push_one(Pusher(host, "team/app", BASIC), IMAGE)
        with workers_with_login(tmp_path, host) as made:
            with Watcher(made, tmp_path) as watcher:
                done = read_all(made, host)
            check(done, watcher, made.log.read_bytes(), [])


def test_a_registry_with_tokens(tmp_path: Path) -> None:
    registry = tmp_path / "registry"
    registry.mkdir()
    issuer = Remembering(registry, USER, PASSWORD)
    with serving(issuer.respond) as tokens, running(registry, issuer.auth(f"http://{tokens.host}/token")) as host:
        token = issuer.token(["repository:team/app:pull,push"])
        push_one(Pusher(host, "team/app", {"Authorization": f"Bearer {token}"}), IMAGE)
        with workers_with_login(tmp_path, host) as made:
            with Watcher(made, tmp_path) as watcher:
                done = read_all(made, host)
            assert len(issuer.tokens) >= 4
            check(done, watcher, made.log.read_bytes(), issuer.tokens)


class Remembering(TokenIssuer):
    """Knows what it gave away."""

    def __init__(self, *arguments: Any) -> None:
        super().__init__(*arguments)
        self.tokens: list[str] = []

    def token(self, scopes: list[str]) -> str:
        self.tokens.append(super().token(scopes))
        return self.tokens[-1]


def read_all(made: Cluster, host: str) -> list[Done]:
    """Slowly enough to be looked at."""
    began = time.monotonic()
    limits = Limits(connections=2, bytes_per_s=1_500_000)
    with closing(execute(tasks_of(host), scheduler=made.address, work=read_layers_of, limits=limits)) as results:
        done = list(results)
    # Three times 1.5 MB, at 1.5 MB in a second over all workers.
    assert time.monotonic() - began > 2
    return done
