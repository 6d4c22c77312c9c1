"""`imgscan scan`: images of an engine, of a registry, or saved as archives."""

from __future__ import annotations

from typing import Any

import click

from imgscan.cli.options import merged_params, scanning_options, shared_options


@click.command("scan")
@click.argument("targets", metavar="TARGET...", nargs=-1, required=True)
@click.option(
    "--platform",
    envvar="IMGSCAN_PLATFORM",
    metavar="OS/ARCH[/VARIANT]",
    help="Which image where there are several.  [default: linux on this machine's processor]",
)
@click.option(
    "--insecure-registry",
    "insecure_registries",
    multiple=True,
    envvar="IMGSCAN_INSECURE_REGISTRY",
    metavar="HOST[:PORT]",
    help="Allow this registry plain HTTP, or a TLS certificate that cannot be verified. Repeatable.",
)
@scanning_options
@shared_options
@click.pass_context
def scan(ctx: click.Context, /, **_: Any) -> int:  # noqa: ANN401 - click's own values, by way of the context
    """Scan images: names of the engine's images, files that `docker save` wrote (.tar, .tar.gz, .tar.zst, - for
    standard input), OCI layouts, or images in a registry (registry://HOST/REPOSITORY:TAG), read with the logins of
    docker and Podman.

    Finds secrets in every layer, also in files that a later layer deletes, wasted bytes, and what is wrong with the
    configuration. With several targets the exit code is the worst one's.
    """
    from pathlib import Path

    from imgscan.cli.ahead import asking_for

    params = merged_params(ctx, Path())
    with asking_for(params["targets"]):
        return _scan_all(params)


def _scan_all(params: dict[str, Any]) -> int:
    from contextlib import closing

    from imgscan.cli.output import exit_code, plan_outputs, write_reports
    from imgscan.cli.session import open_session, scan_target
    from imgscan.errors import InputError

    outputs = plan_outputs(params["formats"], quiet=params["quiet"])
    targets: tuple[str, ...] = params["targets"]
    if len(targets) > 1 and any(output.name != "table" or output.path for output in outputs):
        raise InputError(
            "several targets can only be written as tables",
            next_step="scan one target at a time for other formats",
        )
    codes = []
    with closing(open_session(params)) as session:
        for target in targets:
            report = scan_target(
                target, session, platform=params["platform"], insecure_registries=params["insecure_registries"]
            )
            session.progress.clear()
            write_reports(report, outputs, params)
            codes.append(exit_code(report, exit_zero=params["exit_zero"], strict=params["strict"]))
    return max(codes)
