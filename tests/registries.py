"""Real registries for the tests: Debian's docker-registry on a free port of this machine, what fills it, and what stands
before it (a proxy that cuts connections, a token server that signs).
"""

from __future__ import annotations

import base64
import contextlib
import ctypes
import ctypes.util
import hashlib
import json
import os
import secrets
import shutil
import signal
import socket
import subprocess
import threading
import time
from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import Any
from urllib.parse import urlencode

import pytest
import requests
from imagemaker import Blobs
from ports import free_port
from webserver import Asked, Reply, serving

PROGRAM = "docker-registry"
_START_S = 30


def program(name: str) -> str:
    """A program the tests need. They fail without it: skipping would look like passing."""
    found = shutil.which(name, path=f"{os.environ.get('PATH', '')}:/usr/bin:/usr/sbin")
    if found is None:
        pytest.fail(f"{name} is not installed; `make test` installs it on Debian and Ubuntu: apt install {name}")
    return found


@contextlib.contextmanager
def running(
    folder: Path, auth: Mapping[str, Any] | None = None, *, port: int | None = None, ends: int = signal.SIGTERM
) -> Iterator[str]:
    """A registry with its data in `folder`, for as long as the block lasts; gives HOST:PORT."""
    host = f"127.0.0.1:{port or free_port()}"
    config = {
        "version": "0.1",
        "log": {"level": "error"},
        "storage": {"filesystem": {"rootdirectory": str(folder / "data")}},
        "http": {"addr": host},
    } | ({"auth": dict(auth)} if auth else {})
    (folder / "config.yml").write_text(json.dumps(config), encoding="utf-8")
    log = folder / "log"
    with log.open("wb") as output:
        process = subprocess.Popen(
            [program(PROGRAM), "serve", str(folder / "config.yml")],
            stdout=output,
            stderr=output,
            env={"PATH": "/usr/bin:/bin", "HOME": str(folder)},
        )
        try:
            _wait_for(host, process, log)
            yield host
        finally:
            process.send_signal(ends)
            process.wait(10)


def _wait_for(host: str, process: subprocess.Popen[bytes], log: Path) -> None:
    end = time.monotonic() + _START_S
    while process.poll() is None and time.monotonic() < end:
        with contextlib.suppress(requests.RequestException):
            if requests.get(f"http://{host}/v2/", timeout=5).status_code in (200, 401):
                return
        time.sleep(0.05)
    pytest.fail(f"{PROGRAM} did not start: {log.read_text(errors='replace')[-500:]}")


def htpasswd(folder: Path, user: str, password: str) -> dict[str, Any]:
    """The registry's `auth` for one user; it takes bcrypt only, which the C library has."""
    library = ctypes.CDLL(ctypes.util.find_library("crypt") or "libcrypt.so.1")
    library.crypt.restype = ctypes.c_char_p
    salt = "$2b$05$" + secrets.token_hex(11)
    hashed = library.crypt(password.encode(), salt.encode())
    assert (hashed or b"").startswith(b"$2b$"), "the C library knows no bcrypt"
    path = folder / "htpasswd"
    path.write_text(f"{user}:{hashed.decode()}\n", encoding="utf-8")
    return {"htpasswd": {"realm": "test", "path": str(path)}}


class Pusher:
    """Uploads blobs and manifests by the distribution spec's push, one request each."""

    def __init__(self, host: str, repository: str, headers: Mapping[str, str] | None = None) -> None:
        self._url = f"http://{host}/v2/{repository}"
        self._headers = dict(headers or {})

    def push(self, blobs: Blobs, top: Mapping[str, Any], tag: str) -> str:
        """Everything, manifests after what they name, the topmost under the tag; gives its digest."""
        manifests = {name: data for name, data in blobs.data.items() if _kind(data)}
        for name, data in blobs.data.items():
            if name not in manifests:
                self.blob(data)
        for name, data in sorted(manifests.items(), key=lambda item: "manifests" in json.loads(item[1])):
            self.manifest(f"sha256:{name}", data)
        self.manifest(tag, blobs.data[top["digest"].partition(":")[2]])
        return str(top["digest"])

    def blob(self, data: bytes) -> None:
        begun = self._send("POST", f"{self._url}/blobs/uploads/", b"", 202)
        where = begun.headers["Location"]
        mark = "&" if "?" in where else "?"
        digest = urlencode({"digest": f"sha256:{hashlib.sha256(data).hexdigest()}"})
        self._send("PUT", f"{where}{mark}{digest}", data, 201)

    def manifest(self, name: str, data: bytes) -> None:
        self._send("PUT", f"{self._url}/manifests/{name}", data, 201, {"Content-Type": _kind(data)})

    def _send(
        self, method: str, url: str, data: bytes, status: int, headers: Mapping[str, str] | None = None
    ) -> requests.Response:
        answer = requests.request(method, url, data=data, headers={**self._headers, **(headers or {})}, timeout=30)
        assert answer.status_code == status, f"{method} {url}: {answer.status_code} {answer.text}"
        return answer


def _kind(data: bytes) -> str:
    """The media type of a manifest, "" of anything else."""
    try:
        document = json.loads(data)
    except ValueError:
        return ""
    is_manifest = isinstance(document, dict) and ("manifests" in document or {"config", "layers"} <= document.keys())
    return str(document["mediaType"]) if is_manifest else ""


class StaticRegistry:
    """A registry that says what real ones refuse to store."""

    def __init__(self, blobs: Blobs, top: Mapping[str, Any], **changed: bytes) -> None:
        self.data = {**blobs.data, **changed}
        self.top = top["digest"].partition(":")[2]

    def respond(self, asked: Asked) -> Reply:
        kind, _, name = asked.path.removeprefix("/v2/app/").partition("/")
        found = self.data.get(self.top if name == "1" else name.removeprefix("sha256:"))
        if asked.path == "/v2/":
            return Reply()
        return Reply(status=404) if found is None or kind == "referrers" else Reply(body=found)


@contextlib.contextmanager
def faked(blobs: Blobs, top: Mapping[str, Any], **changed: bytes) -> Iterator[str]:
    with serving(StaticRegistry(blobs, top, **changed).respond) as server:
        yield f"registry://{server.host}/app"


class CuttingProxy:
    """Passes bytes on to a server, and closes each connection once `limit` bytes came back over it."""

    def __init__(self, upstream: str, limit: int) -> None:
        self._upstream = upstream
        self.limit = limit
        self.cuts = 0
        self._listener = socket.create_server(("127.0.0.1", 0))
        self.host = f"127.0.0.1:{self._listener.getsockname()[1]}"
        self._thread = threading.Thread(target=self._accept, daemon=True)
        self._thread.start()

    def close(self) -> None:
        self._listener.shutdown(socket.SHUT_RDWR)
        self._listener.close()
        self._thread.join(5)

    def _accept(self) -> None:
        while True:
            try:
                client, _ = self._listener.accept()
            except OSError:
                return
            threading.Thread(target=self._serve, args=(client,), daemon=True).start()

    def _serve(self, client: socket.socket) -> None:
        host, _, port = self._upstream.rpartition(":")
        with client, socket.create_connection((host, int(port)), 10) as server:
            forward = threading.Thread(target=self._forward, args=(client, server), daemon=True)
            forward.start()
            left = self.limit
            with contextlib.suppress(OSError):
                while left > 0 and (data := server.recv(min(left, 65536))):
                    client.sendall(data)
                    left -= len(data)
            self.cuts += left == 0
            for side in (client, server):
                with contextlib.suppress(OSError):
                    side.shutdown(socket.SHUT_RDWR)
            forward.join(5)

    @staticmethod
    def _forward(client: socket.socket, server: socket.socket) -> None:
        with contextlib.suppress(OSError):
            while data := client.recv(65536):
                server.sendall(data)


class TokenIssuer:
    """A token server as docker's token authentication wants it: RS256, the certificate in the token's header."""

    SERVICE, ISSUER = "test-registry", "test-issuer"

    def __init__(self, folder: Path, user: str, password: str, *, lifetime_s: int = 300) -> None:
        self._key, self.certificate = folder / "token.key", folder / "token.pem"
        self._basic = "Basic " + base64.b64encode(f"{user}:{password}".encode()).decode()
        self.lifetime_s = lifetime_s
        self.scopes: list[str] = []
        make_certificate(self._key, self.certificate, "test-issuer")

    def auth(self, realm: str) -> dict[str, Any]:
        """The registry's `auth` for this issuer."""
        token = {
            "realm": realm,
            "service": self.SERVICE,
            "issuer": self.ISSUER,
            "rootcertbundle": str(self.certificate),
        }
        return {"token": token}

    def respond(self, asked: Asked) -> Reply:
        """Answers GET /token; whoever does not log in may pull nothing but `public/…`."""
        scopes = asked.query.get("scope", [])
        self.scopes += scopes
        header = asked.headers.get("authorization")
        if header not in (None, self._basic):
            return Reply(status=401)
        allowed = [scope for scope in scopes if header or scope.startswith("repository:public/")]
        return Reply(body=json.dumps({"token": self.token(allowed), "expires_in": self.lifetime_s}).encode())

    def token(self, scopes: list[str]) -> str:
        """A signed token for scopes of the form repository:NAME:ACTION,ACTION."""
        pem = "".join(self.certificate.read_text().splitlines()[1:-1])
        access = [
            {"type": kind, "name": name, "actions": actions.split(",")}
            for kind, name, actions in (scope.split(":") for scope in scopes)
        ]
        now = int(time.time())
        claims = {
            "iss": self.ISSUER,
            "sub": "user",
            "aud": self.SERVICE,
            "exp": now + self.lifetime_s,
            "nbf": now - 5,
            "iat": now,
            "jti": secrets.token_hex(8),
            "access": access,
        }
        signed = f"{_segment({'typ': 'JWT', 'alg': 'RS256', 'x5c': [pem]})}.{_segment(claims)}"
        sign = [program("openssl"), "dgst", "-sha256", "-sign", str(self._key)]
        signature = subprocess.run(sign, input=signed.encode(), capture_output=True, check=True).stdout
        return f"{signed}.{_base64(signature)}"


def make_certificate(key: Path, certificate: Path, name: str, *alternatives: str) -> None:
    """A key and a certificate signed with it."""
    command = [
        program("openssl"),
        "req",
        "-x509",
        "-newkey",
        "rsa:2048",
        "-nodes",
        "-days",
        "2",
        "-subj",
        f"/CN={name}",
    ]
    command += ["-keyout", str(key), "-out", str(certificate)]
    command += ["-addext", f"subjectAltName={','.join(alternatives)}"] if alternatives else []
    subprocess.run(command, capture_output=True, check=True)


def _segment(value: Mapping[str, Any]) -> str:
    return _base64(json.dumps(value).encode())


def _base64(data: bytes) -> str:
    return base64.urlsafe_b64encode(data).rstrip(b"=").decode()
