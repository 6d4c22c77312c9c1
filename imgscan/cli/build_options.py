"""Options about the build, shared by `build-report`, `rebuild` and `lint`, and the records they become."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path
from typing import Any, Final, TypeVar

import click

from imgscan.cli.options import PairType

F = TypeVar("F", bound=Callable[..., Any])
BUILDERS: Final = ("auto", "buildkit", "buildx", "classic", "podman")
# As `build.scenarios.ALL_SCENARIOS`, which is not imported to print help.
SCENARIOS: Final = (
    *("cold", "noop", "touch-source", "touch-lockfile", "touch-manifest", "touch-unrelated"),
    *("dockerfile-comment", "build-arg", "rerun-all"),
)

FILE = click.option(
    "-f",
    "--file",
    type=click.Path(path_type=Path),
    envvar="IMGSCAN_FILE",
    help="The Dockerfile.  [default: CONTEXT/Dockerfile]",
)
TARGET = click.option("--target", envvar="IMGSCAN_TARGET", help="The stage to build.  [default: the last]")
BUILD_ARG = click.option(
    "--build-arg",
    "build_args",
    type=PairType("KEY[=VALUE]", from_environment=True),
    multiple=True,
    envvar="IMGSCAN_BUILD_ARG",
    help="A build argument; without VALUE from the environment. Repeatable.",
)
BASE_IMAGE = click.option(
    "--base-image",
    "base_images",
    type=PairType("IMAGE=OTHER"),
    multiple=True,
    envvar="IMGSCAN_BASE_IMAGE",
    help="Build FROM OTHER where the Dockerfile says IMAGE (a mirror, a local stand-in). Repeatable.",
)


def project_options(command: F) -> F:
    """What says how a Dockerfile is to be understood: needed with and without an engine."""
    for option in (BASE_IMAGE, BUILD_ARG, TARGET, FILE):
        command = option(command)
    return command


SETUP: Final = (
    click.option(
        "--compose",
        "compose_files",
        type=click.Path(path_type=Path),
        multiple=True,
        envvar="IMGSCAN_COMPOSE",
        help="A compose file to look at; several are merged in their order. Repeatable.  [default: all that are found]",
    ),
    click.option(
        "--profile",
        "profiles",
        metavar="NAME",
        multiple=True,
        envvar="IMGSCAN_PROFILE",
        help="A compose profile that is active. Repeatable.",
    ),
    click.option(
        "--env-file",
        "env_files",
        type=click.Path(path_type=Path),
        multiple=True,
        envvar="IMGSCAN_ENV_FILE",
        help="What compose reads variables from, as its own --env-file. Repeatable.  [default: .env beside it]",
    ),
)


def setup_options(command: F) -> F:
    """What says how the compose files of a project are to be understood."""
    for option in reversed(SETUP):
        command = option(command)
    return command


NO_TIMING = click.option("--no-timing", is_flag=True, envvar="IMGSCAN_NO_TIMING", help="Build once, time no rebuilds.")

NETWORK = click.option(
    "--network",
    metavar="MODE",
    envvar="IMGSCAN_NETWORK",
    help="Network of RUN steps: default, host, none.",
)
VERIFY = click.option(
    "--verify",
    is_flag=True,
    envvar="IMGSCAN_VERIFY",
    help="Prove it by running: a copy of the project in a scratch compose project, its scripts in a sandbox.",
)

MEASURING: Final = (
    NETWORK,
    click.option("--platform", envvar="IMGSCAN_PLATFORM", help="Build for os/arch[/variant]."),
    click.option(
        "--repeats",
        type=click.IntRange(1, 100),
        default=3,
        show_default=True,
        envvar="IMGSCAN_REPEATS",
        help="Rebuilds of each scenario.",
    ),
    click.option("--touch-source", metavar="PATH", envvar="IMGSCAN_TOUCH_SOURCE", help="The source file to touch."),
    click.option("--touch-lockfile", metavar="PATH", envvar="IMGSCAN_TOUCH_LOCKFILE", help="The lockfile to touch."),
    click.option(
        "--touch-arg",
        metavar="NAME",
        envvar="IMGSCAN_TOUCH_ARG",
        help="The build argument that the build-arg scenario gives new values.",
    ),
    click.option(
        "--scenario",
        "scenarios",
        type=click.Choice(SCENARIOS),
        multiple=True,
        envvar="IMGSCAN_SCENARIO",
        help="Measure this; cold and noop come with it. Repeatable.  [default: the first four]",
    ),
    click.option(
        "--builder",
        type=click.Choice(BUILDERS),
        default="auto",
        show_default=True,
        envvar="IMGSCAN_BUILDER",
        help="Which builder; auto takes the engine's best.",
    ),
)


def measuring_options(command: F) -> F:
    """How to build and what to measure."""
    for option in reversed(MEASURING):
        command = option(command)
    return command
