"""The contract once more from outside: Prism stands between imgscan and the fake and holds both to the description."""

from __future__ import annotations

import gzip
import os
import signal
import socket
import subprocess
import time
from collections.abc import Callable, Iterator
from contextlib import closing, contextmanager
from pathlib import Path
from typing import Any

import pytest
from forge.contract import HERE
from forge.fake_forge import TOKEN, FakeForge
from forge.fake_github import NUMBER, REPOSITORY, fake_github
from forge.test_post import with_an_id_as_text, without_a_user
from ports import free_port

from imgscan.errors import EngineError
from imgscan.forge import github
from imgscan.forge.api import Credential
from imgscan.forge.post import Posted, post
from imgscan.forge.sticky import Act
from imgscan.report.comment import marker
from imgscan.source.backoff import Effects

pytestmark = pytest.mark.tools
ROOT = HERE.parent.parent
MARK = marker("app")


@pytest.fixture(scope="module")
def prism() -> Path:
    done = subprocess.run([ROOT / ".ci" / "prism.sh"], capture_output=True, text=True)
    assert done.returncode == 0, done.stderr
    return Path(done.stdout.strip())


@contextmanager
def proxied(prism: Path, fake: FakeForge, folder: Path) -> Iterator[tuple[str, Path]]:
    """Prism's address, before the fake, and the file of what it says."""
    description, log = folder / "github.json", folder / "prism.log"
    description.write_bytes(gzip.decompress((HERE / "github-openapi.json.gz").read_bytes()))
    port = free_port()
    with fake.running() as server, log.open("wb") as out:
        process = subprocess.Popen(
            [prism, "proxy", "--host", "127.0.0.1", "-p", str(port), "--errors", description, f"http://{server.host}"],
            stdout=out, stderr=out, start_new_session=True,
        )  # fmt: skip
        try:
            wait_for(port, process, log)
            yield f"http://127.0.0.1:{port}", log
        finally:
            os.killpg(process.pid, signal.SIGTERM)
            process.wait(20)


def wait_for(port: int, process: subprocess.Popen[bytes], log: Path) -> None:
    until = time.monotonic() + 90
    while time.monotonic() < until:
        assert process.poll() is None, log.read_text()
        with socket.socket() as tried:
            if tried.connect_ex(("127.0.0.1", port)) == 0:
                return
        time.sleep(0.2)
    raise AssertionError(f"Prism does not listen: {log.read_text()}")


def posted(base: str, body: str) -> Posted:
    effects = Effects(sleep=lambda seconds: None)
    with closing(github.open_api(base, Credential(token=TOKEN, variable="FORGE_TOKEN"), effects)) as api:
        return post(github.GitHub(api, REPOSITORY, NUMBER), marker=MARK, body=body, create=True)


def test_create_update_and_nothing(prism: Path, tmp_path: Path) -> None:
    fake = fake_github(pulls=[(7, "guest:patch-1", "c0ffee")])
    with proxied(prism, fake, tmp_path) as (base, log):
        duplicate = [posted(base, f"{MARK}\none\n").act, posted(base, f"{MARK}\ntwo\n").act]
        fake.write("someone", f"{MARK}\nagain\n")
        done = posted(base, f"{MARK}\ntwo\n")
        with closing(github.open_api(base, Credential(token=TOKEN, variable="FORGE_TOKEN"))) as api:
            assert github.find_pull_request(api, REPOSITORY, owner="guest", branch="patch-1", sha="c0ffee") == 7
    assert duplicate == [Act.CREATE, Act.UPDATE]
    assert (done.act, done.deleted) == (Act.SKIP, 1)
    assert fake.bodies() == [f"{MARK}\ntwo\n"]
    assert "VIOLATIONS" not in log.read_text()


@pytest.mark.parametrize("mistake", [without_a_user, with_an_id_as_text])
def test_a_fake_that_is_wrong_is_rejected(prism: Path, tmp_path: Path, mistake: Callable[[Any], Any]) -> None:
    fake = fake_github(mistake=lambda document: mistake(document) if isinstance(document, list) else document)
    fake.write("someone", f"{MARK}\none\n")
    # Only Prism is to find it: the fake's own check says nothing here.
    fake.contract.response = lambda asked, path, reply: True  # type: ignore[method-assign]
    with proxied(prism, fake, tmp_path) as (base, _), pytest.raises(EngineError) as caught:
        posted(base, f"{MARK}\ntwo\n")
    assert "500" in caught.value.cause
