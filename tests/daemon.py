"""A small HTTP server on a unix socket that answers like a container engine, with whatever a test wants it to say."""

from __future__ import annotations

import json
import socketserver
import threading
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from http.server import BaseHTTPRequestHandler
from pathlib import Path
from typing import Any
from urllib.parse import parse_qs, urlsplit

VERSION = {
    "Version": "20.10.24",
    "ApiVersion": "1.41",
    "Os": "linux",
    "Arch": "amd64",
    "Components": [{"Name": "Engine"}],
}
INFO = {
    "Driver": "overlay2",
    "NCPU": 2,
    "DockerRootDir": "/var/lib/docker",
    "DriverStatus": [["Backing Filesystem", "x"]],
}

Answer = Callable[["Handler"], None]


class Handler(BaseHTTPRequestHandler):
    """One request; `query` are its parameters."""

    protocol_version = "HTTP/1.1"
    server: Server

    def handle_any(self) -> None:
        path = urlsplit(self.path).path
        self.query = {name: values[0] for name, values in parse_qs(urlsplit(self.path).query).items()}
        path = path.partition("/v1.")[2].partition("/")[2] if path.startswith("/v1.") else path.lstrip("/")
        self.server.requests.append(f"{self.command} /{path}")
        answer = self.server.answers.get(f"{self.command} /{path}")
        if answer is None:
            self.say({"message": f"no such thing: {path}"}, status=404)
        else:
            answer(self)

    do_GET = do_POST = do_DELETE = handle_any

    def say(self, document: Any, status: int = 200) -> None:
        """Answer with JSON."""
        data = json.dumps(document).encode()
        self.send_response(status)
        self.send_header("Content-Type", "application/json")
        self.send_header("Content-Length", str(len(data)))
        self.end_headers()
        self.wfile.write(data)

    def read_body(self) -> bytes:
        """The chunked body of the request."""
        body = b""
        while size := int(self.rfile.readline(), 16):
            body += self.rfile.read(size)
            self.rfile.readline()
        self.rfile.readline()
        return body

    def start_stream(self) -> None:
        """The head of a chunked answer."""
        self.send_response(200)
        self.send_header("Transfer-Encoding", "chunked")
        self.end_headers()

    def chunk(self, data: bytes) -> None:
        """One chunk; an empty one ends the answer."""
        self.wfile.write(b"%x\r\n%b\r\n" % (len(data), data))
        self.wfile.flush()

    def log_message(self, *args: Any) -> None:
        return


class Server(socketserver.ThreadingUnixStreamServer):
    """The server; `answers` maps `GET /path` to what answers it, `requests` lists what was asked."""

    daemon_threads = True
    block_on_close = False

    def __init__(self, path: Path) -> None:
        super().__init__(str(path), Handler)
        self.host = f"unix://{path}"
        self.requests: list[str] = []
        self.answers: dict[str, Answer] = {
            "GET /version": lambda handler: handler.say(VERSION),
            "GET /info": lambda handler: handler.say(INFO),
        }

    def handle_error(self, request: Any, client_address: Any) -> None:
        """A client that goes away is part of the tests."""

    def get_request(self) -> tuple[Any, Any]:
        request, _ = super().get_request()
        return request, ("unix", 0)  # BaseHTTPRequestHandler wants a pair

    def says(self, request: str, document: Any, status: int = 200) -> None:
        """Answer a request with a document."""
        self.answers[request] = lambda handler: handler.say(document, status)


@contextmanager
def serve(folder: Path) -> Iterator[Server]:
    """A running server."""
    with Server(folder / "d.sock") as server:
        thread = threading.Thread(target=server.serve_forever, kwargs={"poll_interval": 0.02}, daemon=True)
        thread.start()
        yield server
        server.shutdown()
        thread.join()
