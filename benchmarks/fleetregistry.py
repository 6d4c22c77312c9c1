"""A registry of the benchmark's own: Debian's docker-registry on this machine, what fills it, and what it says that it
handed out."""

from __future__ import annotations

import hashlib
import json
import shutil
import socket
import subprocess
import time
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from pathlib import Path
from typing import Final
from urllib.parse import urlencode

import requests

from benchmarks.packages import BenchError

_PROGRAM: Final = "docker-registry"
_START_S: Final = 30
MANIFEST_TYPE: Final = "application/vnd.oci.image.manifest.v1+json"


class Registry:
    """A running registry."""

    def __init__(self, host: str, log: Path) -> None:
        self.host = host
        self._log = log

    def pusher(self) -> Pusher:
        """What fills it; close it."""
        return Pusher(self.host)

    def served_bytes(self) -> int:
        """Bytes of blobs that were handed out so far, by the registry's own log."""
        total = 0
        for line in self._log.read_text(errors="replace").splitlines():
            with suppress(ValueError):
                record = json.loads(line)
                uri, method = record.get("http.request.uri", ""), record.get("http.request.method")
                if method == "GET" and "/blobs/sha256:" in uri and "http.response.written" in record:
                    total += int(record["http.response.written"])
        return total


class Pusher:
    """Uploads over one connection."""

    def __init__(self, host: str) -> None:
        self._base = f"http://{host}/v2"
        self._session = requests.Session()
        self._there: set[tuple[str, str]] = set()

    def blob(self, repository: str, digest: str, data: bytes, *, of: str = "") -> None:
        """A blob, mounted from the repository `of` where that has it."""
        if (repository, digest) in self._there:
            return
        mount = {"mount": digest, "from": of} if of else {}
        begun = self._session.post(f"{self._base}/{repository}/blobs/uploads/?{urlencode(mount)}", timeout=60)
        if begun.status_code != 201:
            where = begun.headers["Location"]
            mark = "&" if "?" in where else "?"
            self._session.put(f"{where}{mark}{urlencode({'digest': digest})}", data=data, timeout=60).raise_for_status()
        self._there.add((repository, digest))

    def manifest(self, repository: str, tag: str, document: bytes) -> None:
        """A manifest under its tag."""
        url = f"{self._base}/{repository}/manifests/{tag}"
        self._session.put(url, data=document, headers={"Content-Type": MANIFEST_TYPE}, timeout=60).raise_for_status()

    def close(self) -> None:
        """Close the connection."""
        self._session.close()


@contextmanager
def running(folder: Path) -> Iterator[Registry]:
    """A registry with its data in `folder`, for as long as the block lasts. Raises BenchError."""
    program = shutil.which(_PROGRAM)
    if program is None:
        raise BenchError(f"{_PROGRAM} is not installed: apt-get install {_PROGRAM}")
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        host = f"127.0.0.1:{probe.getsockname()[1]}"
    config = {
        "version": "0.1",
        "log": {"level": "info", "formatter": "json", "accesslog": {"disabled": True}},
        "storage": {"filesystem": {"rootdirectory": str(folder / "registry")}},
        "http": {"addr": host},
    }
    (folder / "registry.yml").write_text(json.dumps(config))
    log = folder / "registry.log"
    with log.open("wb") as output:
        process = subprocess.Popen(
            [program, "serve", str(folder / "registry.yml")], stdout=output, stderr=output, env={"HOME": str(folder)}
        )
        try:
            _wait_for(host, process)
            yield Registry(host, log)
        finally:
            process.terminate()
            process.wait(10)


def _wait_for(host: str, process: subprocess.Popen[bytes]) -> None:
    end = time.monotonic() + _START_S
    while process.poll() is None and time.monotonic() < end:
        with suppress(requests.RequestException):
            if requests.get(f"http://{host}/v2/", timeout=5).status_code == 200:
                return
        time.sleep(0.05)
    raise BenchError(f"{_PROGRAM} did not start")


def digest_of(data: bytes) -> str:
    """What a blob is called."""
    return f"sha256:{hashlib.sha256(data).hexdigest()}"
