"""`imgscan build-report`: build, scan, time rebuilds, weigh, judge. The flow of it stands in `run`."""

from __future__ import annotations

from collections.abc import Mapping
from contextlib import ExitStack, closing
from dataclasses import replace
from pathlib import Path
from typing import TYPE_CHECKING, Any

import click

from imgscan.cli.build_options import NO_TIMING, VERIFY, measuring_options, project_options, setup_options
from imgscan.cli.build_progress import BuildProgress
from imgscan.cli.options import merged_params, scanning_options, shared_options
from imgscan.errors import InputError
from imgscan.frozen import frozen
from imgscan.model import Coverage, Digest, Finding, Report, Target

if TYPE_CHECKING:
    from imgscan.assess import Project
    from imgscan.build.measure import Measured
    from imgscan.build.reach import Reach
    from imgscan.cli.session import Session
    from imgscan.cli.setup import OpenedSetup
    from imgscan.detect.secrets.findings import LocatedHit
    from imgscan.engine import Engine
    from imgscan.verify.run import Verified


@click.command("build-report")
@click.argument("context", type=click.Path(path_type=Path), default=".")
@project_options
@setup_options
@measuring_options
@NO_TIMING
@VERIFY
@scanning_options
@shared_options
@click.pass_context
def build_report(ctx: click.Context, /, **_: Any) -> int:  # noqa: ANN401 - click's own values, by way of the context
    """Build the image of CONTEXT (default: the working directory) and say whether it may be merged.

    Builds on the engine that DOCKER_HOST, the docker context or the usual sockets reach; scans every layer for secrets
    and waste; rebuilds with nothing changed, with a source file touched and with the lockfile touched; reads compose
    files, scripts and what else stands around the image; weighs the risks. The context is packed in
    memory: nothing in it is written to. Images made on the way are removed.

    \b
    Examples:
      imgscan build-report .
      imgscan build-report . -f backend/Dockerfile --format json=report.json
      imgscan build-report . --fail-on medium --budget image-size=250MB --budget rebuild-source=20s
    """
    params = merged_params(ctx, ctx.params["context"])
    from imgscan.cli.output import exit_code, plan_outputs, write_reports

    outputs = plan_outputs(params["formats"], quiet=params["quiet"])
    report = run(params)
    write_reports(report, outputs, params)
    return exit_code(report, exit_zero=params["exit_zero"], strict=params["strict"])


def run(params: Mapping[str, Any]) -> Report:
    """Options in, the finished and redacted report out. Raises InputError, EngineError."""
    from imgscan.build.measure import measure
    from imgscan.build.reach import find_reach
    from imgscan.cli.measuring import make_plan
    from imgscan.cli.session import open_project, open_session
    from imgscan.cli.setup import open_setup, search_setup
    from imgscan.cli.verifying import run_proofs
    from imgscan.contextscan import scan_context
    from imgscan.engine import Engine
    from imgscan.excerpts import with_excerpts

    with ExitStack() as stack:
        session = stack.enter_context(closing(open_session(params)))
        project = open_project(params, session.progress)
        setup = open_setup(params, session)
        verified = run_proofs(params, session, setup)
        progress = session.progress
        # Last, so that what is wrong with the project is told without an engine.
        engine = stack.enter_context(Engine.connect())
        reach = find_reach(project.dockerfile, project.context, project.target, project.build_args)
        plan = make_plan(project, params, engine, reach, () if params["no_timing"] else None)
        project = replace(project, builder=plan.options.builder.value, store=engine.info.store)
        progress.stage(f"searching {len(project.context.files)} files of the build context")
        context_scan = scan_context(project.context, project.dockerfile, session.scanner, progress)
        session.learn(context_scan.hits)
        session.learn_values(project.build_args)
        around = search_setup(setup, session, {file.path for file in project.context.files})
        steps = BuildProgress(progress)
        with measure(engine, plan, progress=steps.show, clean=session.redactor.clean) as measured:
            steps.finish(measured)
            hits = (*context_scan.hits, *around)
            run_of_it = _Run(session, project, engine, reach, measured, hits, context_scan.coverage, setup, verified)
            report = _assemble(run_of_it, str(params["context"]))
        progress.clear()
        return session.redactor.sweep(with_excerpts(report, run_of_it.text_of, session.redactor.clean))


@frozen(kw_only=False)
class _Run:
    """What one run has gathered before the report is put together."""

    session: Session
    project: Project
    engine: Engine
    reach: Reach
    measured: Measured
    hits: tuple[LocatedHit, ...]
    coverage: Coverage
    setup: OpenedSetup
    verified: Verified

    def text_of(self, file: str) -> str | None:
        """The text of the Dockerfile or of another file of the project."""
        dockerfile = self.project.dockerfile
        return dockerfile.text if file == dockerfile.file else self.setup.setup.tree.text(file)


def _assemble(run: _Run, ref: str) -> Report:
    """The report of a build, of the image it made if it made one."""
    from imgscan.assess import configured_findings, make_report
    from imgscan.build.failure import explain_failure
    from imgscan.build.metrics import cache_metrics
    from imgscan.cli.measuring import build_info
    from imgscan.cli.session import patched_findings
    from imgscan.cli.setup import patched_together, read_ignores
    from imgscan.detect.secrets.findings import secret_findings
    from imgscan.verify.proofs import with_proofs

    measured, project = run.measured, run.project
    own = patched_findings(project, measured.timings, run.session.redactor)
    around = with_proofs(run.setup.findings, run.verified.faults)
    found = patched_together((*own, *around), run.setup, run.session)
    failure = measured.cold.failure
    if failure is not None:
        failure = explain_failure(failure, found, project.dockerfile)
    metrics = cache_metrics(measured.timings, project.dockerfile, run.reach) if measured.timings else None
    target = Target(kind="build", ref=ref, dockerfile=project.dockerfile.file)
    shared: dict[str, Any] = {
        "gate": run.session.gate,
        "rule_packs": run.session.scanner.pack_names,
        "build": build_info(measured, run.engine.info, failure),
        "cache": metrics,
        "unpacked": run.session.scanner.unpack,
        "stakes": run.setup.stakes,
        "verifications": run.verified.verifications,
        "ignores": read_ignores(run.setup, (project,)),
    }
    if measured.image is None:
        return make_report(
            target=target,
            findings=(*found, *configured_findings(project), *secret_findings(run.hits)),
            skipped=(*project.context.skipped, *run.setup.setup.tree.skipped),
            coverage=run.coverage,
            **shared,
        )
    return _with_image(run, target, found, shared)


def _with_image(run: _Run, target: Target, found: tuple[Finding, ...], shared: dict[str, Any]) -> Report:
    from imgscan.assess import image_findings, image_report, make_report, merge_coverage
    from imgscan.detect.secrets.findings import secret_findings
    from imgscan.layers.attribution import attribute
    from imgscan.scan import locate_hits, scan_image
    from imgscan.source import open_image

    project = run.project
    with closing(open_image(run.measured.image or "", engine=run.engine)) as reader:
        scan = scan_image(reader, run.session.means)
    base = _base_layers(project, run.engine)
    attributed = attribute(scan.image, project.dockerfile, project.target, project.build_args, base)
    located = tuple(locate_hits(scan, attributed.layers))
    run.session.learn(located)
    image = image_report(scan, attributed)
    return make_report(
        target=replace(target, image_id=run.measured.image_id, platform=scan.image.platform),
        findings=(
            *found,
            *image_findings(scan, image, project, run.setup.setup),
            *secret_findings((*located, *run.hits)),
        ),
        skipped=(*project.context.skipped, *run.setup.setup.tree.skipped, *scan.skipped),
        image=image,
        coverage=merge_coverage(scan.coverage, run.coverage),
        **shared,
    )


def _base_layers(project: Project, engine: Engine) -> tuple[Digest, ...] | None:
    """The diffIDs of the image that the target's FROM names; None when the engine does not know it by that name (a
    BuildKit build pulls without naming)."""
    from imgscan.dockerfile.stages import base_image, parent_stages, target_stage

    parents = parent_stages(project.dockerfile, project.build_args)
    stage = target_stage(project.dockerfile, project.target)
    while (parent := parents[stage.index]) is not None:
        stage = parent
    name = base_image(project.dockerfile, stage, project.build_args)
    if name == "scratch":
        return None
    try:
        layers = engine.inspect_image(name).get("RootFS", {}).get("Layers")
    except InputError:
        return None
    return tuple(layers) if isinstance(layers, list) else None
