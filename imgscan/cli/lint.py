"""`imgscan lint`: everything that needs no engine."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import click

from imgscan.cli.build_options import NETWORK, VERIFY, project_options, setup_options
from imgscan.cli.options import NO_UNPACK, merged_params, shared_options


@click.command("lint")
@click.argument("context", type=click.Path(path_type=Path), default=".")
@project_options
@setup_options
@NETWORK
@VERIFY
@NO_UNPACK
@shared_options
@click.pass_context
def lint(ctx: click.Context, /, **_: Any) -> int:  # noqa: ANN401 - click's own values, by way of the context
    """Check the Dockerfile, the build context and what stands around them in CONTEXT (default: the working directory).

    Finds what would make the build slow, what secrets would reach it, which of the project's own files contradict each
    other, and what is wrong with its compose files, health checks, volumes, variables, networks, wrapper and backup
    scripts; weighs the risks. Builds and runs nothing, needs no engine, but with --verify. Without a Dockerfile in
    CONTEXT those that its compose files build are checked, each with its own context.
    """
    params = merged_params(ctx, ctx.params["context"])
    from imgscan.assess import make_report
    from imgscan.cli.output import exit_code, plan_outputs, write_reports
    from imgscan.cli.projects import open_projects, search_projects
    from imgscan.cli.session import open_session
    from imgscan.cli.setup import open_setup, patched_together, read_ignores, search_setup
    from imgscan.cli.verifying import run_proofs
    from imgscan.detect.secrets.findings import secret_findings
    from imgscan.excerpts import with_excerpts
    from imgscan.model import Target
    from imgscan.verify.proofs import with_proofs

    outputs = plan_outputs(params["formats"], quiet=params["quiet"])
    session = open_session(params)
    setup = open_setup(params, session)
    projects = open_projects(params, setup.setup, session.progress)
    found = search_projects(projects, session)
    around = search_setup(setup, session, found.paths)
    verified = run_proofs(params, session, setup)
    names = [project.dockerfile.file for project in projects.projects]
    secrets = secret_findings((*found.hits, *around))
    around_it = with_proofs(setup.findings, verified.faults)
    report = make_report(
        target=Target(kind="context", ref=str(params["context"]), dockerfile=names[0] if names else None),
        findings=(*patched_together((*found.findings, *around_it), setup, session), *secrets),
        gate=session.gate,
        rule_packs=session.scanner.pack_names,
        skipped=(*found.skipped, *projects.skipped, *setup.setup.tree.skipped),
        coverage=found.coverage,
        unpacked=session.scanner.unpack,
        stakes=setup.stakes,
        verifications=verified.verifications,
        ignores=read_ignores(setup, projects.projects),
    )
    texts = {project.dockerfile.file: project.dockerfile.text for project in projects.projects}
    text_of = lambda file: texts.get(file) or setup.setup.tree.text(file)  # noqa: E731
    report = session.redactor.sweep(with_excerpts(report, text_of, session.redactor.clean))
    session.progress.clear()
    write_reports(report, outputs, params)
    return exit_code(report, exit_zero=params["exit_zero"], strict=params["strict"])
