"""The options of `imgscan fleet`."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path
from typing import Any, Final, TypeVar

import click

from imgscan.cli.options import FAIL_ON_CHOICES, GENERAL, NO_UNPACK, OutputType, PairType
from imgscan.lazyre import lazy_re
from imgscan.model import Severity

F = TypeVar("F", bound=Callable[..., Any])
FLEET_FORMATS: Final = ("table", "json", "jsonl", "markdown", "html", "sarif", "prometheus")
_BYTES: Final = lazy_re(r"(\d+(?:\.\d+)?)\s*([kMG]?)i?B?(?:/s)?")
_UNITS: Final = {"": 1, "k": 10**3, "M": 10**6, "G": 10**9}


class RateType(click.ParamType[int]):
    """Bytes in a second: `50MB`."""

    name = "SIZE"

    def convert(self, value: Any, param: click.Parameter | None, ctx: click.Context | None) -> int:  # noqa: ANN401
        if isinstance(value, int):
            return value
        found = _BYTES.fullmatch(str(value).strip())
        if found is None:
            self.fail(f"{value!r} is no size such as 50MB", param, ctx)
        return max(int(float(found[1]) * _UNITS[found[2]]), 1)


class AgeType(click.ParamType[float]):
    """How long ago: `30d`, in seconds."""

    name = "AGE"

    def convert(self, value: Any, param: click.Parameter | None, ctx: click.Context | None) -> float:  # noqa: ANN401
        from imgscan.errors import InputError
        from imgscan.fleet.tags import parse_age

        if isinstance(value, float):
            return value
        try:
            return parse_age(str(value))
        except InputError as error:
            self.fail(str(error), param, ctx)


CHOOSING: Final = (
    click.option(
        "--tag", "tags", multiple=True, envvar="IMGSCAN_TAG", metavar="GLOB",
        help="Of repositories, only these tags; a source that names tags itself goes before it. Repeatable.",
    ),
    click.option(
        "--exclude-tag", "not_tags", multiple=True, envvar="IMGSCAN_EXCLUDE_TAG", metavar="GLOB",
        help="Of repositories, none of these tags. Repeatable.",
    ),
    click.option(
        "--exclude-repository", "not_repositories", multiple=True, envvar="IMGSCAN_EXCLUDE_REPOSITORY", metavar="GLOB",
        help="None of these repositories: a glob from the root, in which * stops at a slash, and a folder means all "
        "below it. Repeatable.",
    ),
    click.option(
        "--semver", envvar="IMGSCAN_SEMVER", metavar="RANGE",
        help='Only tags that are versions of a range: ">=1.2 <3", "^1.4", "*" for any.',
    ),
    click.option("--prereleases", is_flag=True, envvar="IMGSCAN_PRERELEASES", help="With --semver: pre-releases, too."),
    click.option(
        "--newest", type=click.IntRange(1), envvar="IMGSCAN_NEWEST", metavar="N",
        help="Of each repository the N newest images: by version with --semver, else by creation date.",
    ),
    click.option(
        "--since", "since_s", type=AgeType(), envvar="IMGSCAN_SINCE",
        help="Only images created in the last 30d, 12w, 6months ...; those that do not say when stay.",
    ),
    click.option(
        "--platform", "platforms", multiple=True, envvar="IMGSCAN_PLATFORM", metavar="OS/ARCH|all",
        help="Of images for several platforms these, or all. Repeatable.  [default: this machine's]",
    ),
    click.option(
        "--dangling", is_flag=True, envvar="IMGSCAN_DANGLING", help="Images of the engine without a name, too."
    ),
    click.option(
        "--names-from", type=click.Choice(["engine", "registry"]), envvar="IMGSCAN_NAMES_FROM",
        help="Where names without registry:// are looked for.  [default: engine; registry for those in manifests]",
    ),
    click.option(
        "--env-file", "env_files", multiple=True, type=click.Path(path_type=Path, exists=True, dir_okay=False),
        envvar="IMGSCAN_ENV_FILE", help="Variables of compose files. Repeatable.",
    ),
    click.option(
        "--team", "teams", type=PairType("PREFIX=TEAM"), multiple=True, envvar="IMGSCAN_TEAM",
        help="Whose images are, by the beginning of their names; the longest counts. Repeatable.",
    ),
    click.option(
        "--team-label", envvar="IMGSCAN_TEAM_LABEL", metavar="LABEL",
        help="The label that says whose an image is, where no prefix does.",
    ),
)  # fmt: skip
"""Which images."""
WORKING: Final = (
    click.option(
        "--scheduler", envvar="IMGSCAN_SCHEDULER", metavar="tcp://HOST:PORT|local:N",
        help="Read layers on a Dask cluster (tls:// with the certificates of Dask's configuration), or on N workers of "
        "this machine. Workers log in to registries by themselves.",
    ),
    click.option(
        "--jobs", type=click.IntRange(1, 256), envvar="IMGSCAN_JOBS",
        help="Processes of this machine that read layers.  [default: one for each processor]",
    ),
    click.option(
        "--connections", type=click.IntRange(1, 64), default=4, show_default=True, envvar="IMGSCAN_CONNECTIONS",
        help="Layers read at once from one registry, over all workers: raise it for a cluster.",
    ),
    click.option(
        "--bandwidth", "bytes_per_s", type=RateType(), envvar="IMGSCAN_BANDWIDTH",
        help="Read no more than this in a second from one registry, all workers together: 50MB.  [default: no limit]",
    ),
    click.option(
        "--insecure-registry", "insecure_registries", multiple=True, envvar="IMGSCAN_INSECURE_REGISTRY",
        metavar="HOST[:PORT]",
        help="Allow this registry plain HTTP, or a TLS certificate that cannot be verified. Repeatable.",
    ),
    click.option("--plan", is_flag=True, help="Say what would be read, and end."),
    NO_UNPACK,
    click.option(
        "--rules", "rule_files", type=click.Path(path_type=Path), multiple=True, metavar="FILE", envvar="IMGSCAN_RULES",
        help="Look for the secrets of this rule file, too; every worker needs it. Repeatable.",
    ),
)  # fmt: skip
"""How they are read."""
KEEPING: Final = (
    click.option(
        "--store", envvar="IMGSCAN_FLEET", metavar="URL",
        help="What is known of the fleet: a file, sqlite:///FILE or postgresql://HOST/DATABASE.  "
        "[default: fleet.sqlite3 of your data folder]",
    ),
    click.option(
        "--keep-runs", type=click.IntRange(1, 10**6), default=30, show_default=True, envvar="IMGSCAN_KEEP_RUNS",
        metavar="N", help="Forget older runs.",
    ),
    click.option(
        "--keep-days", type=click.IntRange(0, 36500), default=30, show_default=True, envvar="IMGSCAN_KEEP_DAYS",
        metavar="N", help="Forget results of layers and images that no run has needed for so many days.",
    ),
)  # fmt: skip
"""What is remembered."""
TELLING: Final = (
    click.option(
        "--format", "formats", type=OutputType(FLEET_FORMATS), multiple=True, envvar="IMGSCAN_FORMAT",
        help="Write the report as table (default), json, jsonl, markdown, html or prometheus, to PATH or stdout; as "
        "sarif, a file an image into the folder PATH. Repeatable.",
    ),
    click.option(
        "--fail-on", type=click.Choice(FAIL_ON_CHOICES), default=Severity.HIGH.value, show_default=True,
        envvar="IMGSCAN_FAIL_ON", help="Exit 1 for findings of this severity or above.",
    ),
    click.option(
        "--fail-on-new", is_flag=True, envvar="IMGSCAN_FAIL_ON_NEW",
        help="Exit 1 only for findings that the run before did not have; of images seen for the first time, none.",
    ),
    click.option(
        "--webhook", envvar="IMGSCAN_WEBHOOK", metavar="URL",
        help="Post new findings of --fail-on or above as JSON to this https:// address.",
    ),
    click.option(
        "--baseline", type=click.Path(path_type=Path), metavar="FILE", envvar="IMGSCAN_BASELINE",
        help="Findings that this file accepts do not count; see imgscan baseline.",
    ),
    click.option("--exit-zero", is_flag=True, envvar="IMGSCAN_EXIT_ZERO", help="Exit 0 whatever was found."),
    click.option("--strict", is_flag=True, envvar="IMGSCAN_STRICT", help="Exit 5 if anything could not be looked at."),
    *GENERAL,
)  # fmt: skip
"""What is told."""


def fleet_options(command: F) -> F:
    """Give the command its options."""
    for option in reversed((*CHOOSING, *WORKING, *KEEPING, *TELLING)):
        command = option(command)
    return command
