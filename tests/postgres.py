"""A PostgreSQL of our own on a Unix socket and loopback: made, started, and gone at the end."""

from __future__ import annotations

import contextlib
import os
import pwd
import shutil
import socket
import subprocess
import tempfile
from collections.abc import Iterator
from pathlib import Path

PASSWORD = "-".join(("of", "the", "tests"))


def _programs() -> Path:
    found = sorted(Path("/usr/lib/postgresql").glob("*/bin/initdb")) or [Path(shutil.which("initdb") or "")]
    assert found[-1].is_file(), "no PostgreSQL: install Debian's package postgresql"
    return found[-1].parent


def _free_port() -> int:
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        port: int = probe.getsockname()[1]
        return port


@contextlib.contextmanager
def running_postgres() -> Iterator[str]:
    """The URL of a database of a fresh server. It refuses to run as root, so as root it runs as its own user."""
    bin_dir = _programs()
    as_user: list[str | Path] = (
        ["setpriv", "--reuid=postgres", "--regid=postgres", "--clear-groups"] if os.geteuid() == 0 else []
    )
    with tempfile.TemporaryDirectory(prefix="imgscan-pg-") as folder:
        root, port = Path(folder), _free_port()
        (root / "password").write_text(PASSWORD)
        if as_user:
            user = pwd.getpwnam("postgres")
            for path in (root, root / "password"):
                os.chown(path, user.pw_uid, user.pw_gid)
        data = root / "data"
        make: list[str | Path] = [
            "-D",
            data,
            "-U",
            "imgscan",
            "--auth=scram-sha-256",
            f"--pwfile={root / 'password'}",
            "-E",
            "UTF8",
            "--no-sync",
        ]
        subprocess.run([*as_user, bin_dir / "initdb", *make], check=True, capture_output=True, cwd=root)
        options = f"-c listen_addresses=127.0.0.1 -c port={port} -c unix_socket_directories={root} -c fsync=off"
        control: list[str | Path] = [*as_user, bin_dir / "pg_ctl", "-D", data, "-w", "-t", "60"]
        subprocess.run(
            [*control, "-o", options, "-l", root / "log", "start"], check=True, cwd=root, stdout=subprocess.DEVNULL
        )
        try:
            yield f"postgresql://imgscan:{PASSWORD}@127.0.0.1:{port}/postgres"
        finally:
            subprocess.run([*control, "-m", "immediate", "stop"], check=True, cwd=root, stdout=subprocess.DEVNULL)
