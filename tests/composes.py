"""The real compose as an oracle: what it makes of files, and the same view of what imgscan reads."""

from __future__ import annotations

import functools
import json
import os
import subprocess
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from imgscan.project.compose.records import Argv, ComposeProject, EnvVar, Service
from imgscan.project.compose.services import service_environment
from imgscan.project.tree import ProjectTree

_SCRIPT = Path(__file__).resolve().parent.parent / ".ci" / "compose.sh"
SUITES = ("sid", "trixie")


@functools.cache
def compose_program(suite: str = "sid") -> str:
    """The path of docker-compose of a Debian release; fetched if need be, an error if that fails."""
    done = subprocess.run([_SCRIPT], env={**os.environ, "SUITE": suite}, capture_output=True, text=True, timeout=600)
    assert done.returncode == 0, done.stderr
    return done.stdout.strip()


@dataclass(frozen=True, slots=True, kw_only=True)
class Said:
    """What compose answered."""

    code: int
    out: str
    err: str


def compose(root: Path, arguments: Sequence[str], suite: str = "sid", stdin: str | None = None) -> Said:
    """Run compose in a folder with an environment of nothing."""
    environment = {"PATH": "/usr/bin:/bin", "HOME": "/nonexistent"}
    done = subprocess.run(
        [compose_program(suite), *arguments],
        cwd=root,
        env=environment,
        capture_output=True,
        text=True,
        timeout=120,
        input=stdin,
    )
    return Said(code=done.returncode, out=done.stdout, err=done.stderr)


def _named(files: Sequence[str], profiles: Sequence[str], env_files: Sequence[str]) -> list[str]:
    options = (("-f", files), ("--profile", profiles), ("--env-file", env_files))
    return [word for option, values in options for value in values for word in (option, value)]


def compose_config(
    root: Path,
    files: Sequence[str],
    profiles: Sequence[str] = (),
    env_files: Sequence[str] = (),
    suite: str = "sid",
) -> tuple[dict[str, Any] | None, str]:
    """`config --format json`, None where compose refuses, and what it says of it."""
    said = compose(root, [*_named(files, profiles, env_files), "config", "--format", "json"], suite)
    return (json.loads(said.out) if said.code == 0 else None), said.err


def compose_variables(root: Path, files: Sequence[str], suite: str = "sid") -> dict[str, tuple[bool, str, str]]:
    """`config --variables`: required, default and alternate value by name."""
    said = compose(root, [*_named(files, (), ()), "config", "--variables"], suite)
    assert said.code == 0, said.err
    head, *lines = said.out.splitlines()
    columns = [head.index(title) for title in ("NAME", "REQUIRED", "DEFAULT VALUE", "ALTERNATE VALUE")]
    found = {}
    for line in lines:
        cells = [line[start:end].strip() for start, end in zip(columns, [*columns[1:], None], strict=True)]
        if cells[0]:
            found[cells[0]] = (cells[1] == "true", cells[2], cells[3])
    return found


def view_of_compose(config: Mapping[str, Any], root: Path) -> dict[str, Any]:
    """The part of compose's answer that imgscan reads too."""
    return {
        "name": config["name"],
        "services": {name: _service(service, root) for name, service in (config.get("services") or {}).items()},
        "volumes": {
            name: (volume["name"], bool(volume.get("external")), volume.get("driver"))
            for name, volume in (config.get("volumes") or {}).items()
        },
        "networks": {
            name: (bool(network.get("external")), bool(network.get("internal")))
            for name, network in (config.get("networks") or {}).items()
        },
        "secrets": {
            name: (bool(secret.get("external")), _relative(secret.get("file"), root), secret.get("environment"))
            for name, secret in (config.get("secrets") or {}).items()
        },
    }


def _relative(path: str | None, root: Path) -> str | None:
    if path is None or not path.startswith("/"):
        return path
    try:
        return str(Path(path).relative_to(root))
    except ValueError:
        return path


def _service(service: Mapping[str, Any], root: Path) -> dict[str, Any]:
    build = service.get("build")
    check = service.get("healthcheck") or {}
    return {
        "image": service.get("image"),
        "build": build
        and (
            _relative(build["context"], root),
            build.get("dockerfile"),
            build.get("target"),
            dict(build.get("args") or {}),
        ),
        "command": service.get("command"),
        "entrypoint": service.get("entrypoint"),
        "environment": service.get("environment") or {},
        "ports": sorted(
            (
                port["target"],
                str(port.get("published", "")).partition("-")[0],
                port.get("host_ip", ""),
                port["protocol"],
            )
            for port in service.get("ports") or ()
        ),
        "expose": sorted(str(port) for port in service.get("expose") or ()),
        "volumes": sorted(
            (v["type"], _relative(v.get("source"), root) or "", v["target"], bool(v.get("read_only")))
            for v in service.get("volumes") or ()
        ),
        "networks": {
            name: sorted((network or {}).get("aliases") or ())
            for name, network in (service.get("networks") or {}).items()
        },
        "network_mode": service.get("network_mode"),
        "depends_on": {
            name: (one["condition"], one["required"]) for name, one in (service.get("depends_on") or {}).items()
        },
        "healthcheck": (check.get("test"), check.get("retries"), bool(check.get("disable"))),
        "times": [_seconds(check.get(key)) for key in ("interval", "timeout", "start_period")]
        + [_seconds(service.get("stop_grace_period"))],
        "restart": service.get("restart"),
        "init": service.get("init"),
        "container_name": service.get("container_name"),
        "user": service.get("user"),
        "labels": service.get("labels") or {},
        "secrets": sorted(secret["source"] for secret in service.get("secrets") or ()),
        "privileged": bool(service.get("privileged")),
    }


def _seconds(written: str | None) -> float | None:
    if written is None:
        return None
    from imgscan.project.compose.values import duration

    seconds = duration(written)
    return None if seconds is None else round(seconds, 6)


def view_of_ours(project: ComposeProject, tree: ProjectTree, root: Path) -> dict[str, Any]:
    """The same of what imgscan reads, as compose writes it: `$` twice, and only what a service uses."""
    values = project.values
    active = {name: service for name, service in project.services.items() if service.active}
    used_volumes = {m.source for s in active.values() for m in s.mounts if m.kind == "volume"}
    used_networks = {a.network for s in active.values() for a in s.networks}
    used_secrets = {one for s in active.values() for one in (*s.secrets, *(s.build.secrets if s.build else ()))}
    return {
        "name": values["COMPOSE_PROJECT_NAME"],
        "services": {name: _our_service(service, tree, values, root) for name, service in active.items()},
        "volumes": {
            name: (volume.real_name or f"{values['COMPOSE_PROJECT_NAME']}_{name}", volume.external, volume.driver)
            for name, volume in project.volumes.items()
            if name in used_volumes
        },
        "networks": {
            name: (network.external, network.internal)
            for name, network in project.networks.items()
            if name in used_networks
        },
        "secrets": {
            name: (secret.external, secret.file, secret.environment)
            for name, secret in project.secrets.items()
            if name in used_secrets
        },
    }


def _host_path(source: str, root: Path) -> str:
    """A source that is outside of the project, as compose resolves it."""
    if source.startswith("~"):
        return os.path.normpath(f"/nonexistent/{source[1:]}")
    return os.path.normpath(root / source) if source == ".." or source.startswith("../") else source


def _doubled(text: str | None) -> str | None:
    return None if text is None else text.replace("$", "$$")


def _words(command: Argv | None) -> list[str] | None:
    return None if command is None else [word.replace("$", "$$") for word in command.words]


def _variables(variables: Mapping[str, EnvVar]) -> dict[str, str | None]:
    return {name: _doubled(one.value.value) if one.value else None for name, one in variables.items()}


def _our_service(service: Service, tree: ProjectTree, values: Mapping[str, str], root: Path) -> dict[str, Any]:
    check = service.healthcheck
    test = None
    if check and check.test:
        test = [*(["CMD-SHELL"] if check.test.shell else ["CMD"]), *(_words(check.test) or [])]
    elif check and check.disabled and service.keys.get("healthcheck.test"):
        test = ["NONE"]
    build = service.build
    own = service.keys.get("tmpfs")
    mounts = [mount for mount in service.mounts if own is None or not own.start <= mount.at.start < own.end]
    return {
        "image": service.image and _doubled(service.image.value),
        "build": build
        and (
            build.context or ".",
            None if build.dockerfile is None else os.path.relpath(build.dockerfile, build.context or "."),
            build.target,
            {name: value for name, value in _variables(build.args).items() if value is not None},
        ),
        "command": _words(service.command),
        "entrypoint": _words(service.entrypoint),
        "environment": {
            name: _doubled(value) for name, (value, _) in service_environment(service, tree, values).items()
        },
        "ports": sorted(
            (port.target, "" if port.published is None else str(port.published), port.host_ip or "", port.protocol)
            for port in service.ports
        ),
        "expose": sorted(str(port) for port in service.expose),
        "volumes": sorted(
            (m.kind, _doubled(_host_path(m.source or "", root)), _doubled(m.target), m.read_only) for m in mounts
        ),
        "networks": {attached.network: sorted(attached.aliases) for attached in service.networks},
        "network_mode": service.network_mode and service.network_mode.value,
        "depends_on": {link.partition(":")[0]: ("service_started", True) for link in service.links}
        | {one.service: (one.condition, one.required) for one in service.depends_on.values()},
        "healthcheck": (test, check.retries if check else None, bool(check and check.disabled and not test)),
        "times": [
            None if one is None else round(one, 6)
            for one in (
                *((check.interval_s, check.timeout_s, check.start_period_s) if check else (None, None, None)),
                service.stop_grace_period_s,
            )
        ],
        "restart": service.restart and service.restart.value,
        "init": service.init,
        "container_name": service.container_name and service.container_name.value,
        "user": service.user and service.user.value,
        "labels": {name: _doubled(value) for name, value in service.labels.items()},
        "secrets": sorted(service.secrets),
        "privileged": service.privileged,
    }


def differences(ours: Any, theirs: Any, path: str = "") -> list[str]:
    """Where two views differ, a line each."""
    if isinstance(ours, Mapping) and isinstance(theirs, Mapping):
        return [
            line
            for key in sorted({*ours, *theirs})
            for line in differences(ours.get(key, "(none)"), theirs.get(key, "(none)"), f"{path}.{key}")
        ]
    return [] if ours == theirs else [f"{path}: ours {ours!r}, compose's {theirs!r}"]
