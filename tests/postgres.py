"""A PostgreSQL of our own on a Unix socket and loopback: made, started, and gone at the end."""

from __future__ import annotations

import contextlib
import os
import pwd
import shutil
import signal
import socket
import subprocess
import tempfile
import time
from collections.abc import Iterator
from pathlib import Path

import sqlalchemy as sa
from ports import free_port

PASSWORD = "-".join(("of", "the", "tests"))


def _programs() -> Path:
    found = sorted(Path("/usr/lib/postgresql").glob("*/bin/initdb")) or [Path(shutil.which("initdb") or "")]
    assert found[-1].is_file(), "no PostgreSQL: install Debian's package postgresql"
    return found[-1].parent


class Server:
    """A server of our own, that can be killed and started again. It refuses to run as root, so as root it runs as its
    own user. `url` is that of its database, `programs` the folder of its programs."""

    def __init__(self, root: Path) -> None:
        self._root = root
        self._data = root / "data"
        self.programs = _programs()
        self._port = free_port()
        self._as_user: list[str | Path] = (
            ["setpriv", "--reuid=postgres", "--regid=postgres", "--clear-groups"] if os.geteuid() == 0 else []
        )
        self.url = f"postgresql://imgscan:{PASSWORD}@127.0.0.1:{self._port}/postgres"

    def make(self) -> None:
        """Make its files."""
        password = self._root / "password"
        password.write_text(PASSWORD)
        if self._as_user:
            user = pwd.getpwnam("postgres")
            for path in (self._root, password):
                os.chown(path, user.pw_uid, user.pw_gid)
        make = ["-U", "imgscan", "--auth=scram-sha-256", f"--pwfile={password}", "-E", "UTF8", "--no-sync"]
        program = [*self._as_user, self.programs / "initdb", "-D", self._data, *make]
        subprocess.run(program, check=True, capture_output=True, cwd=self._root)

    def start(self) -> None:
        """Start it and wait until it answers."""
        options = (
            f"-c listen_addresses=127.0.0.1 -c port={self._port} -c unix_socket_directories={self._root} -c fsync=off"
        )
        self._control("-o", options, "-l", self._root / "log", "start")

    def kill(self) -> None:
        """End it at once, as a crash would."""
        leader = int((self._data / "postmaster.pid").read_text().split()[0])
        os.kill(leader, signal.SIGKILL)
        # Its processes notice that they are alone; until then the next one would refuse to start.
        self._control("-m", "immediate", "stop", check=False)
        while _is_used(self._port):
            time.sleep(0.05)

    def stop(self) -> None:
        """End it."""
        if (self._data / "postmaster.pid").exists():
            self._control("-m", "immediate", "stop", check=False)

    def _control(self, *arguments: str | Path, check: bool = True) -> None:
        program = [*self._as_user, self.programs / "pg_ctl", "-D", self._data, "-w", "-t", "60", *arguments]
        quiet = subprocess.DEVNULL
        subprocess.run(program, check=check, cwd=self._root, stdout=quiet, stderr=None if check else quiet)


def _is_used(port: int) -> bool:
    with socket.socket() as probe:
        return probe.connect_ex(("127.0.0.1", port)) == 0


@contextlib.contextmanager
def postgres_server() -> Iterator[Server]:
    """A fresh server, started; gone at the end."""
    with tempfile.TemporaryDirectory(prefix="imgscan-pg-") as folder:
        server = Server(Path(folder))
        server.make()
        server.start()
        try:
            yield server
        finally:
            server.stop()


@contextlib.contextmanager
def running_postgres() -> Iterator[str]:
    """The URL of a database of a fresh server."""
    with postgres_server() as server:
        yield server.url


def emptied(url: str) -> str:
    """The URL, of a database with nothing in it."""
    engine = sa.create_engine(url.replace("postgresql:", "postgresql+psycopg:"), poolclass=sa.pool.NullPool)
    with engine.begin() as connection:
        connection.execute(sa.text("DROP SCHEMA public CASCADE"))
        connection.execute(sa.text("CREATE SCHEMA public"))
    engine.dispose()
    return url
