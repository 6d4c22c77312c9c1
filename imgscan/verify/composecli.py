"""The compose plugin: found as the docker CLI finds it, run with explicit arguments and a clean environment.

In: an engine's address. Out: what `docker compose` wrote. Nothing of the caller's COMPOSE_* and no variable of theirs
reaches it.
"""

from __future__ import annotations

import json
import os
import re
import shutil
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any, Final

from imgscan.frozen import frozen
from imgscan.verify.process import Ran, run_bounded

# docker/cli, cli-plugins/manager: the user's folder, then those of the system.
_FOLDERS: Final = (
    "/usr/local/lib/docker/cli-plugins",
    "/usr/local/libexec/docker/cli-plugins",
    "/usr/lib/docker/cli-plugins",
    "/usr/libexec/docker/cli-plugins",
)
_PASSED_ON: Final = (
    "HOME",
    "DOCKER_CONFIG",
    "DOCKER_CERT_PATH",
    "DOCKER_TLS_VERIFY",
    "SSH_AUTH_SOCK",
    "XDG_RUNTIME_DIR",
)
# Nothing of a project is fetched from elsewhere, and nothing is advertised.
_FIXED: Final = {
    "LANG": "C.UTF-8",
    "DOCKER_CLI_HINTS": "false",
    "COMPOSE_EXPERIMENTAL_GIT_REMOTE": "false",
    "COMPOSE_EXPERIMENTAL_OCI_REMOTE": "false",
    "COMPOSE_MENU": "false",
}
_PROBE_S: Final = 20.0
_MAX_CONFIG: Final = 8 << 20
HOW_TO_GET: Final = "install docker compose (Debian and Ubuntu: docker-compose-plugin or docker-compose-v2)"


class ComposeError(Exception):
    """Compose refused something; the text is its own, bounded."""


@frozen
class Compose:
    """A compose that answers: the words that start it, its version, the engine that it is to talk to."""

    command: tuple[str, ...]
    version: tuple[int, ...]
    environment: Mapping[str, str]

    def run(
        self,
        *words: str,
        timeout_s: float,
        cwd: Path | None = None,
        stdin: bytes | None = None,
        variables: Mapping[str, str] | None = None,
        max_output: int = 1 << 20,
    ) -> Ran:
        """One call. Raises OSError when the program is gone."""
        env = {**self.environment, **(variables or {})}
        return run_bounded(
            [*self.command, *words], env=env, timeout_s=timeout_s, cwd=cwd, stdin=stdin, max_output=max_output
        )

    def exec_words(self, project: str, service: str, container: str, options: Sequence[str] = ()) -> list[str]:
        """The words before a program that is to run in a container: the docker CLI's where there is one."""
        if self.command[1:] == ("compose",):
            return [self.command[0], "exec", *options, container]
        kept = [option for option in options if option not in ("-i", "-t")]
        return [*self.command, "-p", project, "exec", *([] if "-t" in options else ["-T"]), *kept, service]

    def execute(self, project: str, service: str, container: str, command: Sequence[str], *, timeout_s: float) -> Ran:
        """Run a program in a container of a project."""
        words = [*self.exec_words(project, service, container), *command]
        return run_bounded(words, env=self.environment, timeout_s=timeout_s)

    def config(self, files: Sequence[str], *, directory: Path, env_file: Path | None) -> tuple[dict[str, Any], str]:
        """The project as compose understands it, variables replaced, and what it warned of. Raises ComposeError."""
        ran = self.run(
            *project_words(files, directory=directory, env_file=env_file),
            *("config", "--format", "json"),
            timeout_s=60,
            max_output=_MAX_CONFIG,
        )
        told = ran.err.decode("utf-8", "replace").strip()
        if ran.code != 0:
            raise ComposeError(told[-1500:] or f"exit {ran.code}")
        try:
            document = json.loads(ran.out)
        except (ValueError, RecursionError) as error:
            raise ComposeError("what `config` writes is no JSON") from error
        if not isinstance(document, dict):
            raise ComposeError("what `config` writes is no project")
        return document, told


def project_words(files: Sequence[str], *, directory: Path, env_file: Path | None) -> list[str]:
    """Global options that name a project's files and nothing of the caller's."""
    words = ["--project-directory", str(directory)]
    for file in files:
        words += ["-f", file]
    return [*words, "--env-file", str(env_file or "/dev/null")]


def find_compose(host: str, environment: Mapping[str, str] = os.environ) -> Compose | None:
    """Compose 2 of this machine for the engine at `host`; None when there is none."""
    clean = clean_environment(host, environment)
    for command in _candidates(environment):
        try:
            ran = run_bounded([*command, "version", "--short"], env=clean, timeout_s=_PROBE_S)
        except OSError:
            continue
        found = re.match(rb"\s*v?(\d+)\.(\d+)\.(\d+)", ran.out)
        if ran.code == 0 and found and int(found[1]) >= 2:
            return Compose(command=command, version=tuple(int(part) for part in found.groups()), environment=clean)
    return None


def clean_environment(host: str, environment: Mapping[str, str]) -> dict[str, str]:
    """What a client of the engine needs, and nothing that would change what a project means."""
    kept = {name: environment[name] for name in _PASSED_ON if environment.get(name)}
    path = environment.get("PATH") or os.defpath
    return {**kept, **_FIXED, "PATH": path, "DOCKER_HOST": host}


def _candidates(environment: Mapping[str, str]) -> list[tuple[str, ...]]:
    path = environment.get("PATH") or os.defpath
    home = Path(environment.get("HOME") or "/nonexistent")
    own = Path(environment.get("DOCKER_CONFIG") or home / ".docker") / "cli-plugins"
    found: list[tuple[str, ...]] = []
    docker = shutil.which("docker", path=path)
    if docker:
        found.append((docker, "compose"))
    plugins = [Path(folder) / "docker-compose" for folder in (own, *_FOLDERS)]
    found += [(str(plugin),) for plugin in plugins if plugin.is_file() and os.access(plugin, os.X_OK)]
    alone = shutil.which("docker-compose", path=path)
    if alone:
        found.append((alone,))
    return found
