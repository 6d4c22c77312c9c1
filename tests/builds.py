"""Images built for real: a Dockerfile and a few files in, a tagged image out, nothing of it left behind."""

from __future__ import annotations

import io
import json
import os
import re
import subprocess
import tarfile
import time
import uuid
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager, suppress
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import Any

from imgscan.build.cleanup import Leftover, remove_cache
from imgscan.engine import Engine
from imgscan.errors import EngineError
from imgscan.model import Interval

BUILDX = os.environ.get("IMGSCAN_BUILDX", "")
"""The program, where the engine can keep what it attests (the containerd image store)."""
VERSIONS = {"classic": "1", "buildkit": "2"}
_UPLOAD = re.compile(r"http url http://build-context-|fileop target$|copy /context /")
"""How BuildKit calls its copies of a context."""


def context(dockerfile: str, files: Mapping[str, bytes]) -> bytes:
    """A build context as a tar: the Dockerfile and files by name."""
    buffer = io.BytesIO()
    with tarfile.open(fileobj=buffer, mode="w", format=tarfile.PAX_FORMAT) as tar:
        for name, data in {"Dockerfile": dockerfile.encode(), **files}.items():
            member = tarfile.TarInfo(name)
            member.size, member.mode = len(data), 0o644
            tar.addfile(member, io.BytesIO(data))
    return buffer.getvalue()


class Builds:
    """Builds of one test module. `marker` has to stand in every RUN: the cache records of these builds are told from
    others' by it."""

    def __init__(self, engine: Engine) -> None:
        self.engine = engine
        self.marker = f"imgscan-test-{uuid.uuid4().hex[:12]}"
        self._tags: list[str] = []
        self._leftovers: list[Leftover] = []

    def build(
        self,
        dockerfile: str,
        files: Mapping[str, bytes] | None = None,
        *,
        builder: str = "buildkit",
        build_args: Mapping[str, str] | None = None,
        platforms: Sequence[str] = (),
    ) -> str:
        """Build and tag; gives the tag. Fails with the engine's own words. `platforms` are for buildx alone."""
        tag = f"{self.marker}:{len(self._tags)}"
        self._tags.append(tag)
        started_s = time.time()
        if builder == "buildx":
            options = [f"--platform={platform}" for platform in platforms]
            self.run_buildx(dockerfile, files or {}, "--load", "--tag", tag, *options, build_args=build_args)
        else:
            self._build_by_engine(dockerfile, files or {}, tag, build_args or {}, VERSIONS[builder])
        self._expect_leftovers(Interval(start_s=started_s, end_s=time.time()))
        return tag

    def _build_by_engine(
        self, dockerfile: str, files: Mapping[str, bytes], tag: str, build_args: Mapping[str, str], version: str
    ) -> None:
        params = {"t": tag, "version": version, "networkmode": "none", "rm": "1", "forcerm": "1"}
        params["buildid"] = f"{self.marker}-{len(self._tags)}"
        if build_args:
            params["buildargs"] = json.dumps(dict(build_args))
        said = list(self.engine.build(iter([context(dockerfile, files)]), params))
        wrong = [line for line in said if "error" in line]
        assert not wrong, f"{wrong}\n{dockerfile}"

    def run_buildx(
        self,
        dockerfile: str,
        files: Mapping[str, bytes],
        *options: str,
        build_args: Mapping[str, str] | None = None,
    ) -> None:
        """`docker buildx build`, with all that it can attest."""
        values = dict(build_args or {})
        command = [BUILDX, "build", "--provenance=mode=max", "--network=none", *options]
        command += [word for name in values for word in ("--build-arg", name)]
        with TemporaryDirectory() as folder:
            env = {**os.environ, **values, "DOCKER_HOST": self.engine.host, "DOCKER_CONFIG": folder}
            data = context(dockerfile, files)
            done = subprocess.run([*command, "-"], input=data, env=env, capture_output=True, check=False)
        assert done.returncode == 0, done.stderr.decode(errors="replace")

    def remove(self, tag: str) -> None:
        """Remove an image that is not needed any more, before all others are."""
        self.engine.remove_image(tag, force=True)

    def close(self) -> None:
        """Remove the images, and what BuildKit keeps of their steps."""
        for tag in self._tags:
            self.remove(tag)
        with suppress(EngineError):
            remove_cache(self.engine, self._leftovers)

    def _expect_leftovers(self, interval: Interval) -> None:
        steps = re.compile(rf".*{re.escape(self.marker)}", re.DOTALL)
        for description in (steps, _UPLOAD):
            self._leftovers.append(Leftover(kind="regular", description=description, interval=interval))


@contextmanager
def builds(engine: Engine) -> Iterator[Builds]:
    """Builds on an engine, removed at the end."""
    started = Builds(engine)
    try:
        yield started
    finally:
        started.close()


def save(engine: Engine, name: str, path: Path, *more: str) -> Path:
    """What `docker save NAME...` writes."""
    api: Any = engine.api
    url = engine.api_url("/images/get")
    with api.get(url, params={"names": [name, *more]}, stream=True) as response, path.open("wb") as file:
        response.raise_for_status()
        for chunk in response.iter_content(1 << 20):
            file.write(chunk)
    return path
