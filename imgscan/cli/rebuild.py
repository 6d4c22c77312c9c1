"""`imgscan rebuild`: what edits cost. Measured; or predicted from one measurement, a report, or given seconds."""

from __future__ import annotations

import os
from collections.abc import Mapping
from contextlib import closing
from dataclasses import replace
from pathlib import Path
from typing import TYPE_CHECKING, Any, Final

import click

from imgscan.cli.build_options import measuring_options, project_options
from imgscan.cli.build_progress import BuildProgress
from imgscan.cli.options import PairType, merged_params, shared_options
from imgscan.errors import InputError
from imgscan.frozen import frozen
from imgscan.model import BuildInfo, CacheMetrics, EditCosts, Report, Target, Timing

if TYPE_CHECKING:
    from imgscan.assess import Earlier, Project
    from imgscan.build.forecast import Costs
    from imgscan.build.reach import Reach
    from imgscan.cli.session import Session
    from imgscan.engine import Engine

_OPTIONS: Final = (
    click.option(
        "--predict",
        is_flag=True,
        help="Build cold and unchanged only, and predict what edits cost: --touch, else the usual ones.",
    ),
    click.option(
        "--touch",
        "touched",
        metavar="PATH",
        multiple=True,
        help="Predict what an edit of this file or folder costs; several are told one by one, and as one edit.",
    ),
    click.option(
        "--git-log",
        "commits",
        type=click.IntRange(1, 10_000),
        metavar="N",
        help="Predict what the latest N commits cost, each as one rebuild.",
    ),
    click.option(
        "--report",
        "basis",
        type=click.Path(exists=True, dir_okay=False, path_type=Path),
        metavar="FILE",
        help="Predict from the timings of this JSON report; build nothing.",
    ),
    click.option(
        "--estimate",
        "estimates",
        type=PairType("LINE=SECONDS"),
        multiple=True,
        help="Predict from these seconds for the steps at these lines; build nothing. Repeatable.",
    ),
)


def _own_options(command: Any) -> Any:  # noqa: ANN401 - a function, which click takes and gives
    for option in reversed(_OPTIONS):
        command = option(command)
    return command


@click.command("rebuild")
@click.argument("context", type=click.Path(path_type=Path), default=".")
@_own_options
@project_options
@measuring_options
@shared_options
@click.pass_context
def rebuild(ctx: click.Context, /, **_: Any) -> int:  # noqa: ANN401 - click's own values, by way of the context
    """Say what edits of CONTEXT (default: the working directory) cost to rebuild, and which instruction is to blame.

    Rebuilds with nothing changed, with a source file touched, with the lockfile touched, and what else --scenario
    names. With --predict, --touch or --git-log it computes instead, from a cold build and an unchanged one, from a
    report (--report) or from your own figures (--estimate).

    \b
    Examples:
      imgscan rebuild . --scenario touch-manifest --scenario build-arg
      imgscan rebuild . --touch src/index.ts --touch package.json
      imgscan rebuild . --git-log 200 --report report.json
    """
    params = merged_params(ctx, ctx.params["context"])
    from imgscan.cli.output import exit_code, plan_outputs, write_reports

    outputs = plan_outputs(params["formats"], quiet=params["quiet"])
    report = run(params)
    write_reports(report, outputs, params)
    return exit_code(report, exit_zero=params["exit_zero"], strict=params["strict"])


def run(params: Mapping[str, Any]) -> Report:
    """Options in, the finished and redacted report out. Raises InputError, EngineError."""
    from imgscan.build.reach import find_reach
    from imgscan.cli.session import open_project, open_session
    from imgscan.contextscan import scan_context

    if params["basis"] and params["estimates"]:
        raise InputError("--report and --estimate are two bases for one prediction", next_step="leave one of them out")
    with closing(open_session(params)) as session:
        project = open_project(params, session.progress)
        reach = find_reach(project.dockerfile, project.context, project.target, project.build_args)
        builds = not (params["basis"] or params["estimates"])
        searched = project.context if builds else replace(project.context, files=())
        session.progress.stage(f"searching {len(searched.files)} files of the build context")
        session.learn(scan_context(searched, project.dockerfile, session.scanner, session.progress).hits)
        session.learn_values(project.build_args)
        found = _measured(params, session, project, reach) if builds else _given(params, project, reach)
        session.progress.stage("working out what edits cost")
        report = _assemble(params, session, project, reach, found)
        session.progress.clear()
        return session.redactor.sweep(report)


@frozen
class _Found:
    """What predictions and report rest on. `earlier` is what the report that is given measured; `costs` is None where
    the build failed, or nothing is to be predicted."""

    project: Project
    timings: tuple[Timing, ...] = ()
    build: BuildInfo | None = None
    cache: CacheMetrics | None = None
    earlier: Earlier | None = None
    costs: Costs | None = None
    notes: tuple[str, ...] = ()


def _predicts(params: Mapping[str, Any]) -> bool:
    return any(params[key] for key in ("predict", "touched", "commits", "basis", "estimates"))


def _measured(params: Mapping[str, Any], session: Session, project: Project, reach: Reach) -> _Found:
    """Build, and rebuild as the scenarios have it."""
    from imgscan.build.failure import explain_failure
    from imgscan.build.forecast import costs_of
    from imgscan.build.measure import measure
    from imgscan.build.metrics import cache_metrics
    from imgscan.build.scenarios import basis_scenarios
    from imgscan.cli.measuring import build_info, make_plan
    from imgscan.engine import Engine

    with Engine.connect() as engine:
        only = basis_scenarios(reach) if _predicts(params) and not params["scenarios"] else None
        plan = make_plan(project, params, engine, reach, only)
        project = replace(project, builder=plan.options.builder.value, store=engine.info.store)
        steps = BuildProgress(session.progress)
        with measure(engine, plan, progress=steps.show, clean=session.redactor.clean) as measured:
            pass
        failure = measured.cold.failure
        if failure is not None:
            failure = explain_failure(failure, (), project.dockerfile)
        timings = measured.timings
        return _Found(
            project=project,
            timings=timings,
            build=build_info(measured, engine.info, failure),
            cache=cache_metrics(timings, project.dockerfile, reach) if timings else None,
            costs=costs_of(timings, load=_load(engine)) if timings and _predicts(params) else None,
        )


def _load(engine: Engine) -> float:
    """How many processes wanted each processor in the last minute; 1 if the engine runs on another machine."""
    if not engine.host.startswith("unix://"):
        return 1.0
    return os.getloadavg()[0] / max(1, engine.info.cpus)


def _given(params: Mapping[str, Any], project: Project, reach: Reach) -> _Found:
    """The timings of a report, or the user's own seconds."""
    from imgscan.assess import Earlier
    from imgscan.build.forecast import costs_of, relined
    from imgscan.build.guess import costs_guessed
    from imgscan.build.metrics import cache_metrics
    from imgscan.cli.known import read_report
    from imgscan.report.json import decode

    if params["estimates"]:
        return _Found(project=project, costs=costs_guessed(reach, dict(map(_line_seconds, params["estimates"]))))
    report = decode(read_report(params["basis"]), str(params["basis"]))
    if report.build is None:
        raise InputError(
            f"{params['basis']} tells of no build",
            next_step="take a report of imgscan rebuild or imgscan build-report",
        )
    timings, lost = relined(report.build.scenarios, project.dockerfile)
    what = "1 step" if len(lost) == 1 else f"{len(lost)} steps"
    note = f"{what} of {params['basis']} not to be found in {project.dockerfile.file} any more: taken to cost nothing"
    return _Found(
        project=replace(project, builder=report.build.builder, store=report.build.store),
        timings=timings,
        earlier=Earlier(timings=timings, cache=cache_metrics(timings, project.dockerfile, reach)),
        costs=costs_of(timings, "report"),
        notes=(note,) if lost else (),
    )


def _line_seconds(pair: tuple[str, str]) -> tuple[int, float]:
    try:
        line, seconds = int(pair[0]), float(pair[1].removesuffix("s"))
    except ValueError:
        line, seconds = 0, -1.0
    if line < 1 or not 0 <= seconds <= 1e6:
        raise InputError(f"--estimate {pair[0]}={pair[1]}: not of the form LINE=SECONDS", next_step="write 12=45.5")
    return line, seconds


def _assemble(params: Mapping[str, Any], session: Session, project: Project, reach: Reach, found: _Found) -> Report:
    from imgscan.assess import make_report
    from imgscan.cli.edits import edit_costs
    from imgscan.detect import cachebust
    from imgscan.dockerfile.comments import dockerfile_ignores

    project = found.project
    findings = tuple(
        cachebust.detect(
            project.dockerfile,
            project.context,
            target=project.target,
            build_args=project.build_args,
            builder=project.builder,
            timings=found.timings,
            store=project.store,
        )
    )
    edits: EditCosts | None = None
    if found.costs is not None:
        edits = edit_costs(params, project, reach, found.costs, found.timings, findings)
    # What baseline and comments accept of other rules is not looked for here, hence not stale.
    gate = replace(session.gate, acceptance=replace(session.gate.acceptance, tell_stale=False))
    report = make_report(
        target=Target(
            kind="build" if found.build else "context", ref=str(params["context"]), dockerfile=project.dockerfile.file
        ),
        findings=findings,
        gate=gate,
        rule_packs=session.scanner.pack_names,
        skipped=project.context.skipped,
        build=found.build,
        cache=found.cache,
        ignores=dockerfile_ignores(project.dockerfile),
        secrets_sought=False,
        earlier=found.earlier,
    )
    return replace(report, edits=edits, notes=(*report.notes, *found.notes))
