"""`imgscan lint`: everything that needs no engine."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import click

from imgscan.cli.build_options import project_options
from imgscan.cli.options import NO_UNPACK, merged_params, shared_options


@click.command("lint")
@click.argument("context", type=click.Path(path_type=Path), default=".")
@project_options
@NO_UNPACK
@shared_options
@click.pass_context
def lint(ctx: click.Context, /, **_: Any) -> int:  # noqa: ANN401 - click's own values, by way of the context
    """Check the Dockerfile, .dockerignore and build context in CONTEXT (default: the working directory).

    Finds what would make the build slow, what secrets would reach it, and which of the project's own files contradict
    each other; builds nothing and needs no engine.
    """
    params = merged_params(ctx, ctx.params["context"])
    from imgscan.assess import configured_findings, make_report
    from imgscan.cli.output import exit_code, plan_outputs, write_reports
    from imgscan.cli.session import open_project, open_session, patched_findings
    from imgscan.contextscan import scan_context
    from imgscan.detect.secrets.findings import secret_findings
    from imgscan.model import Target

    outputs = plan_outputs(params["formats"], quiet=params["quiet"])
    session = open_session(params)
    project = open_project(params, session.progress)
    session.progress.stage(f"searching {len(project.context.files)} files of the build context")
    scan = scan_context(project.context, project.dockerfile, session.scanner, session.progress)
    session.learn(scan.hits)
    report = make_report(
        target=Target(kind="context", ref=str(params["context"]), dockerfile=project.dockerfile.file),
        findings=(
            *patched_findings(project, (), session.redactor),
            *configured_findings(project),
            *secret_findings(scan.hits),
        ),
        gate=session.gate,
        rule_packs=session.scanner.pack_names,
        skipped=project.context.skipped,
        coverage=scan.coverage,
        unpacked=session.scanner.unpack,
    )
    report = session.redactor.sweep(report)
    session.progress.clear()
    write_reports(report, outputs, params)
    return exit_code(report, exit_zero=params["exit_zero"], strict=params["strict"])
