"""Options that several commands share, and how flags, environment, configuration files and defaults are merged.

Precedence: flag > `IMGSCAN_*` > configuration file > default. A value of a file is converted by the option's own type,
so it is checked as a flag would be.
"""

from __future__ import annotations

import os
import sys
from collections.abc import Callable, Mapping, Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any, Final, TypeVar

import click
from click.core import ParameterSource

from imgscan.allowlist import read_allow
from imgscan.config import Setting, Table, discover, read_settings, read_tables
from imgscan.errors import InputError
from imgscan.frozen import frozen
from imgscan.model import Severity

if TYPE_CHECKING:
    from imgscan.waivers import WaiverEntry

F = TypeVar("F", bound=Callable[..., Any])
FAIL_ON_CHOICES: Final = (*(severity.value for severity in Severity), "never")
# What is asked of one run is no setting either.
NOT_CONFIGURABLE: Final = frozenset(
    {
        *("config", "no_config", "context", "targets", "sources", "plan", "help"),
        *("predict", "touched", "commits", "basis", "estimates", "reports"),
        # Nor may a project ask that its own containers and scripts be run.
        "verify",
    }
)

SETTINGS: Final = frozenset({
    "base", "baseline", "budget", "color", "dive-ci", "exit-zero", "fail-on", "fail-on-new", "format", "quiet", "rules",
    "strict", "verbose",
    # Reading images.
    "insecure-registry", "jobs", "no-cache", "no-unpack", "platform", "trust-image-ignores",
    # Building them.
    "base-image", "build-arg", "builder", "compose", "env-file", "file", "network", "no-timing", "profile", "repeats",
    "scenario", "target", "touch-arg", "touch-lockfile", "touch-source",
    # Fleets.
    "bandwidth", "connections", "dangling", "exclude-repository", "exclude-tag", "keep-days", "keep-runs", "names-from",
    "newest", "prereleases", "scheduler", "semver", "since", "store", "tag", "team", "team-label", "webhook",
})  # fmt: skip
"""Every key that a configuration file may hold: it serves all commands that write a report, each takes what it knows.
A list, and not asked of the commands, as that would import all of them for one to start."""


@frozen
class Output:
    """One `--format NAME[=PATH]`; `path` None means stdout."""

    name: str
    path: Path | None


class OutputType(click.ParamType[Output]):
    """`NAME` or `NAME=PATH`; `-` as a path is stdout. `only` are the formats there are, if not all."""

    name = "NAME[=PATH]"

    def __init__(self, only: Sequence[str] = ()) -> None:
        self._only = only

    def convert(self, value: Any, param: click.Parameter | None, ctx: click.Context | None) -> Output:  # noqa: ANN401
        if isinstance(value, Output):
            return value
        from imgscan.report import REPORTERS

        name, _, path = str(value).partition("=")
        known = self._only or tuple(REPORTERS)
        if name not in known:
            self.fail(f"unknown format {name!r}; choose from {', '.join(known)}", param, ctx)
        return Output(name=name, path=Path(path) if path not in ("", "-") else None)


class PairType(click.ParamType[tuple[str, str]]):
    """`KEY=VALUE`, as a tuple. Without `=` the value is taken from the environment when `from_environment` is set, as
    `docker build --build-arg KEY` does."""

    def __init__(self, name: str, *, from_environment: bool = False) -> None:
        self.name = name
        self._from_environment = from_environment

    def convert(self, value: Any, param: click.Parameter | None, ctx: click.Context | None) -> tuple[str, str]:  # noqa: ANN401
        if isinstance(value, tuple):
            return value
        key, equals, rest = str(value).partition("=")
        if not key or not (equals or self._from_environment):
            self.fail(f"{value!r} is not of the form {self.name}", param, ctx)
        if not equals and key not in os.environ:
            self.fail(f"{key} has no value and is not set in the environment", param, ctx)
        return key, rest if equals else os.environ[key]


GENERAL: Final = (
    click.option(
        "-q", "--quiet", is_flag=True, envvar="IMGSCAN_QUIET", help="Only the reports asked for, no progress."
    ),
    click.option(
        "-v", "--verbose", is_flag=True, envvar="IMGSCAN_VERBOSE", help="Every row, and progress line by line."
    ),
    click.option(
        "--color",
        type=click.Choice(["auto", "always", "never"]),
        default="auto",
        show_default=True,
        envvar="IMGSCAN_COLOR",
        help="Colours; auto heeds NO_COLOR, FORCE_COLOR and the terminal.",
    ),
    click.option(
        "--config",
        type=click.Path(exists=True, dir_okay=False, path_type=Path),
        envvar="IMGSCAN_CONFIG",
        help="Read only this configuration file.",
    ),
    click.option(
        "--no-config", is_flag=True, envvar="IMGSCAN_NO_CONFIG", help="Read no configuration file, no .dive-ci."
    ),
)
"""What every command takes that says how it goes on."""
VERDICT: Final = (
    click.option(
        "--format",
        "formats",
        type=OutputType(),
        multiple=True,
        envvar="IMGSCAN_FORMAT",
        help="Write the report as table (default), json, html, markdown, sarif, gitlab, junit or github, to PATH or "
        "stdout. Repeatable.",
    ),
    click.option(
        "--fail-on",
        type=click.Choice(FAIL_ON_CHOICES),
        default=Severity.HIGH.value,
        show_default=True,
        envvar="IMGSCAN_FAIL_ON",
        help="Exit 1 for findings of this severity or above.",
    ),
    click.option(
        "--base",
        type=click.Path(path_type=Path),
        metavar="FILE",
        envvar="IMGSCAN_BASE",
        help="A JSON report, or a baseline, that says what was known before; what is new is counted.",
    ),
    click.option(
        "--fail-on-new",
        is_flag=True,
        envvar="IMGSCAN_FAIL_ON_NEW",
        help="Only what --base did not know makes the exit code 1, from --fail-on on; budgets count as ever.",
    ),
    click.option(
        "--budget",
        "budgets",
        type=PairType("KEY=VALUE"),
        multiple=True,
        envvar="IMGSCAN_BUDGET",
        help="Exit 1 over a limit: image-size=250MB, reclaimable=20MB, efficiency=0.95, rebuild-source=20s, "
        "rebuild-lockfile=60s, dive-efficiency=0.9, dive-wasted-bytes=20MB, dive-user-wasted-percent=0.1. Repeatable.",
    ),
)
"""What a report is written as, and what makes it NO-GO."""
OUTCOME: Final = (
    click.option("--exit-zero", is_flag=True, envvar="IMGSCAN_EXIT_ZERO", help="Exit 0 whatever the verdict."),
    click.option("--strict", is_flag=True, envvar="IMGSCAN_STRICT", help="Exit 5 if anything could not be looked at."),
    *GENERAL,
)
"""What comes of it."""
SHARED: Final = (
    *VERDICT,
    click.option(
        "--dive-ci",
        type=click.Path(path_type=Path),
        metavar="FILE",
        envvar="IMGSCAN_DIVE_CI",
        help="dive's CI rules as budgets.  [default: .dive-ci of CONTEXT or the working directory, if there]",
    ),
    click.option(
        "--baseline",
        type=click.Path(path_type=Path),
        metavar="FILE",
        envvar="IMGSCAN_BASELINE",
        help="Findings that this file accepts do not count; see imgscan baseline.",
    ),
    click.option(
        "--rules",
        "rule_files",
        type=click.Path(path_type=Path),
        multiple=True,
        metavar="FILE",
        envvar="IMGSCAN_RULES",
        help="Look for the secrets of this rule file, too. Repeatable.",
    ),
    *OUTCOME,
)
"""What every command that writes a report takes."""


def shared_options(command: F) -> F:
    """Give a command the shared options."""
    for option in reversed(SHARED):
        command = option(command)
    return command


NO_UNPACK: Final = click.option(
    "--no-unpack",
    is_flag=True,
    envvar="IMGSCAN_NO_UNPACK",
    help="Search files as they lie only: open no zip, jar, tar, gzip ... inside of them.",
)
SCANNING: Final = (
    click.option(
        "--trust-image-ignores",
        is_flag=True,
        envvar="IMGSCAN_TRUST_IMAGE_IGNORES",
        help="Comments in the image's own files may have a secret ignored (for images whose files are yours).",
    ),
    click.option(
        "--jobs",
        type=click.IntRange(1, 256),
        envvar="IMGSCAN_JOBS",
        help="Processes that search files; 1: no further ones.  [default: one for each processor]",
    ),
    click.option(
        "--no-cache",
        is_flag=True,
        envvar="IMGSCAN_NO_CACHE",
        help="Read every layer, also those scanned before; keep no results.",
    ),
    NO_UNPACK,
)


def scanning_options(command: F) -> F:
    """Give a command the options about reading an image."""
    for option in reversed(SCANNING):
        command = option(command)
    return command


def option_names(command: click.Command) -> dict[str, click.Option]:
    """The options a configuration file may set, by key: the long name without dashes."""
    return {
        max(param.opts, key=len).lstrip("-"): param
        for param in command.params
        if isinstance(param, click.Option) and param.name not in NOT_CONFIGURABLE
    }


def merged_params(ctx: click.Context, start: Path) -> dict[str, Any]:
    """The command's parameters with the configuration files of `start` put under flags and environment; and `allow`,
    the files' allowlist, and `waivers`.

    Raises InputError for a broken file, an unknown key, or a value that the option would refuse.
    """
    params = dict(ctx.params)
    if params.get("no_config"):
        return params
    files = [params["config"]] if params.get("config") else discover(start)
    params["allow"] = read_allow(read_tables(files, "allow"))
    params["waivers"] = _waivers(read_tables(files, "waiver"))
    options = option_names(ctx.command)
    for key, setting in read_settings(files, SETTINGS).items():
        option = options.get(key)
        if option is None or option.name is None:
            continue
        if ctx.get_parameter_source(option.name) in (ParameterSource.DEFAULT, ParameterSource.DEFAULT_MAP):
            params[option.name] = _convert(ctx, option, setting)
    return params


def _waivers(tables: Sequence[Table]) -> tuple[WaiverEntry, ...]:
    # The catalogue is read only where there is something to check.
    if not tables:
        return ()
    from imgscan.risk.catalog import load_catalog
    from imgscan.waivers import read_waivers

    return read_waivers(tables, tuple(load_catalog()))


def _convert(ctx: click.Context, option: click.Option, setting: Setting) -> Any:  # noqa: ANN401 - of the option's type
    value = setting.value
    if option.multiple:
        if isinstance(value, Mapping):
            value = [f"{key}={item}" for key, item in value.items()]
        value = value if isinstance(value, list) else [value]
    elif isinstance(value, (list, Mapping)):
        raise InputError(f"{setting.file}: {setting.key} takes one value")
    elif isinstance(value, bool) and not option.is_flag:
        raise InputError(f"{setting.file}: {setting.key} takes a value, not true or false")
    try:
        converted = option.type_cast_value(ctx, value)
    except click.BadParameter as error:
        raise InputError(f"{setting.file}: {setting.key}: {error.message}") from error
    # A path in a file is meant from where the file lies, not from where the command is run.
    folder = setting.file.parent
    if isinstance(converted, tuple):
        return tuple(folder / item if isinstance(item, Path) else item for item in converted)
    return folder / converted if isinstance(converted, Path) else converted


def use_color(choice: str) -> bool:
    """Whether stdout gets colours: the flag, then NO_COLOR, FORCE_COLOR, then whether it is a terminal."""
    if choice != "auto":
        return choice == "always"
    if os.environ.get("NO_COLOR"):
        return False
    if os.environ.get("FORCE_COLOR") or os.environ.get("CLICOLOR_FORCE"):
        return True
    return sys.stdout.isatty() and os.environ.get("TERM") != "dumb"
