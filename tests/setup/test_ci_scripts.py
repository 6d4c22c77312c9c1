"""The scripts under .ci/: they look before they act, and say how to go on where they cannot."""

from __future__ import annotations

import os
import subprocess
import threading
from collections.abc import Callable, Iterator
from http.server import BaseHTTPRequestHandler
from pathlib import Path
from socketserver import BaseServer, TCPServer, UnixStreamServer
from tempfile import TemporaryDirectory

import pytest

ROOT = Path(__file__).parents[2]
CI = ROOT / ".ci"


class Ping(BaseHTTPRequestHandler):
    """An engine that answers `_ping` and nothing else."""

    status = 200

    def do_GET(self) -> None:
        body = b"OK"
        self.send_response(self.status if self.path == "/_ping" else 404)
        self.send_header("Content-Length", str(len(body)))
        self.end_headers()
        self.wfile.write(body)

    def address_string(self) -> str:
        return "test"

    def log_message(self, format: str, *args: object) -> None:  # the name is the base class's
        pass


class Broken(Ping):
    status = 500


Serve = Callable[[str, type[Ping]], str]


@pytest.fixture
def serve() -> Iterator[Serve]:
    """Start a server on a unix socket or on TCP and give its DOCKER_HOST."""
    servers: list[BaseServer] = []
    with TemporaryDirectory(prefix="is") as folder:

        def start(kind: str, handler: type[Ping]) -> str:
            server: BaseServer
            if kind == "unix":
                path = f"{folder}/{len(servers)}.sock"
                server, address = UnixStreamServer(path, handler), f"unix://{path}"
            else:
                tcp = TCPServer(("127.0.0.1", 0), handler)
                server, address = tcp, f"tcp://127.0.0.1:{tcp.server_address[1]}"
            servers.append(server)
            threading.Thread(target=server.serve_forever, kwargs={"poll_interval": 0.05}, daemon=True).start()
            return address

        yield start
        for server in servers:
            server.shutdown()
            server.server_close()


def engine(docker_host: str) -> subprocess.CompletedProcess[str]:
    environment = {**os.environ, "DOCKER_HOST": docker_host}
    environment.pop("DOCKER_TLS_VERIFY", None)
    return subprocess.run([CI / "engine.sh"], env=environment, capture_output=True, text=True, check=False)


@pytest.mark.parametrize("kind", ["unix", "tcp"])
def test_the_users_engine_is_taken_as_it_is(serve: Serve, kind: str) -> None:
    address = serve(kind, Ping)
    done = engine(address)
    assert (done.returncode, done.stdout, done.stderr) == (0, f"{address}\n", "")


@pytest.mark.parametrize(
    "address",
    [
        pytest.param("unix:///nowhere/docker.sock", id="no-socket"),
        pytest.param("tcp://127.0.0.1:1", id="nobody-listens"),
        pytest.param("tcp://", id="no-host"),
        pytest.param("tcp://127.0.0.1:port", id="no-port"),
        pytest.param("ssh://host", id="no-http"),
    ],
)
def test_a_chosen_engine_that_is_not_there_is_never_replaced(address: str) -> None:
    done = engine(address)
    assert (done.returncode, done.stdout) == (3, "")
    assert "unset DOCKER_HOST" in done.stderr
    assert "Traceback" not in done.stderr


def test_what_is_no_engine_is_not_taken(serve: Serve) -> None:
    done = engine(serve("unix", Broken))
    assert (done.returncode, done.stdout) == (3, "")
    assert "it answers 500" in done.stderr


@pytest.mark.parametrize(
    "path", sorted(path.name for path in CI.iterdir() if path.suffix == ".sh" or path.name == "run")
)
def test_scripts_are_bash(path: str) -> None:
    done = subprocess.run(["bash", "-n", CI / path], capture_output=True, text=True, check=False)
    assert (done.returncode, done.stderr) == (0, "")


LIST = """\
# a comment
deb http://mirror.example/debian bookworm main contrib
deb [arch=amd64 signed-by=/usr/share/keyrings/k.gpg] http://mirror.example/debian bookworm main
deb http://mirror.example/debian bookworm-updates main
deb-src http://mirror.example/debian bookworm main
deb http://third.example/apt stable main
"""
SOURCES = """\
# Debian's own
Types: deb
URIs: http://mirror.example/debian
Suites: bookworm bookworm-updates bookworm-backports
Components: main
Signed-By: /usr/share/keyrings/k.gpg

Types: deb
URIs: http://mirror.example/debian-security
Suites: bookworm-security
Components: main

Enabled: no
Types: deb
URIs: http://mirror.example/off
Suites: bookworm
Components: main

Types: deb
URIs: http://third.example/apt
Suites: nodistro
Components: main
"""


def apt_sources(tmp_path: Path, suite: str = "") -> dict[str, str]:
    etc = tmp_path / "apt"
    (etc / "sources.list.d").mkdir(parents=True)
    (etc / "sources.list").write_text(LIST)
    (etc / "sources.list.d" / "debian.sources").write_text(SOURCES)
    out = tmp_path / "out"
    script = f'. "{CI}/lib.sh"; APT_ETC="$1"; os_release() {{ echo bookworm; }}; apt_sources "$2" {suite}'
    subprocess.run(["bash", "-euc", script, "test", etc, out], check=True)
    return {path.name: path.read_text() for path in out.iterdir()}


def test_apt_sources_are_the_systems_own(tmp_path: Path) -> None:
    found = apt_sources(tmp_path)
    assert found["system.list"].splitlines() == LIST.splitlines()[1:4]
    assert [line for line in found["system.sources"].splitlines() if line.startswith(("URIs", "Suites"))] == [
        "URIs: http://mirror.example/debian",
        "Suites: bookworm bookworm-updates",
        "URIs: http://mirror.example/debian-security",
        "Suites: bookworm-security",
    ]


def test_apt_sources_of_another_suite(tmp_path: Path) -> None:
    found = apt_sources(tmp_path, "sid")
    assert found["system.list"].splitlines() == [
        "deb http://mirror.example/debian sid main contrib",
        "deb [arch=amd64 signed-by=/usr/share/keyrings/k.gpg] http://mirror.example/debian sid main",
    ]
    assert found["system.sources"].count("Suites: sid") == found["system.sources"].count("Suites:") == 1
    assert "security" not in found["system.sources"]


STUB = """\
#!/usr/bin/env bash
printf '%s\\n' "$*" >>calls
[[ $* == *company* ]] && exit "$COMPANY" || exit "$ALONE"
"""


@pytest.mark.parametrize(
    ("company", "alone", "code", "parts"),
    [
        pytest.param(0, 0, 0, 2, id="all-pass"),
        pytest.param(1, 0, 1, 2, id="the-first-fails"),
        pytest.param(0, 1, 1, 2, id="the-second-fails"),
        pytest.param(1, 5, 1, 2, id="only-the-first-is-asked-for-and-fails"),
        pytest.param(5, 0, 0, 2, id="only-the-second-is-asked-for"),
        pytest.param(5, 5, 5, 2, id="no-such-test"),
        pytest.param(3, 0, 3, 2, id="pytest-itself-fails"),
        pytest.param(2, 0, 2, 1, id="ctrl-c"),
        pytest.param(4, 0, 4, 1, id="no-such-option"),
    ],
)
def test_both_parts_of_the_suite_count(company: int, alone: int, code: int, parts: int, tmp_path: Path) -> None:
    for name in ("test.sh", "lib.sh"):
        (tmp_path / ".ci").mkdir(exist_ok=True)
        (tmp_path / ".ci" / name).write_bytes((CI / name).read_bytes())
    python = tmp_path / ".venv" / "bin" / "python"
    python.parent.mkdir(parents=True)
    python.write_text(STUB)
    python.chmod(0o755)
    environment = {**os.environ, "COMPANY": str(company), "ALONE": str(alone)}
    done = subprocess.run(["bash", tmp_path / ".ci" / "test.sh", "-k", "a or b"], env=environment, check=False)
    assert done.returncode == code
    calls = (tmp_path / "calls").read_text().splitlines()
    assert len(calls) == parts
    assert all(call.startswith("-m pytest --part ") and call.endswith(" -k a or b") for call in calls)


def test_make_lists_what_it_can_do() -> None:
    done = subprocess.run(["make", "-C", ROOT, "--no-print-directory"], capture_output=True, text=True, check=True)
    for target in ("report", "test", "test-unit", "test-engines", "lint", "lock"):
        assert f"\n  {target} " in done.stdout
