"""`imgscan optimize`: propose a patch, prove it by building, print it or write it."""

from __future__ import annotations

import sys
from collections.abc import Callable, Collection, Mapping
from contextlib import closing
from dataclasses import replace
from pathlib import Path
from typing import TYPE_CHECKING, Any, Final

import click

from imgscan.cli.build_options import measuring_options, project_options
from imgscan.cli.build_progress import BuildProgress
from imgscan.cli.options import GENERAL, Output, OutputType, merged_params
from imgscan.errors import EXIT_FINDINGS, EXIT_GO, InputError
from imgscan.frozen import frozen
from imgscan.model import BuildInfo

if TYPE_CHECKING:
    from imgscan.cli.session import Session
    from imgscan.diff import FileChange
    from imgscan.optimize.records import Inputs, Plan
    from imgscan.optimize.settle import Replan, Settled


# Those that show patches: an empty list of findings would only close what code scanning has open.
_FORMATS: Final = ("table", "json", "markdown", "html")


def _general(command: Any) -> Any:  # noqa: ANN401 - click's decorators
    for option in reversed(GENERAL):
        command = option(command)
    return command


@click.command("optimize")
@click.argument("context", type=click.Path(path_type=Path), default=".")
@click.option("--prove", is_flag=True, help="Build before and after; offer only what the builds prove.")
@click.option("--write", is_flag=True, help="Apply the patch to the files.")
@click.option("--cache-mounts", is_flag=True, help="Also give installs a cache mount (BuildKit).")
@click.option("-o", "--output", type=click.Path(path_type=Path), metavar="FILE", help="Write the patch to FILE.")
@click.option(
    "--json", "json_path", type=click.Path(path_type=Path), metavar="FILE", help="Write changes and proof as JSON."
)
@click.option(
    "--format",
    "reports",
    type=OutputType(_FORMATS),
    multiple=True,
    help="Write the patch and its proof as table, json, markdown or html, to PATH or stdout. Repeatable.",
)
@click.option(
    "--no-timing", is_flag=True, envvar="IMGSCAN_NO_TIMING", help="Prove without timing rebuilds before and after."
)
@project_options
@measuring_options
@_general
@click.pass_context
def optimize(ctx: click.Context, /, **_: Any) -> int:  # noqa: ANN401 - click's own values, by way of the context
    """Propose a patch to the Dockerfile and .dockerignore of CONTEXT (default: the working directory) that makes
    rebuilds faster and the image the same.

    The unified diff goes to stdout, what it does and why other things were left alone to stderr. Without --prove the
    patch is made from what the files say. With it, both versions are built: the images must be equal, a source edit
    must leave the install cached and a lockfile edit must not; what fails is withdrawn. Exit 1: all of it was.

    \b
    Examples:
      imgscan optimize . | git apply
      imgscan optimize . --prove --output faster.patch --format html=proof.html
      imgscan optimize . --prove --write
    """
    params = merged_params(ctx, ctx.params["context"])
    from imgscan.cli.session import open_session
    from imgscan.contextscan import scan_context

    outputs = _check_outputs(params)
    quiet_gate = {"fail_on": "never", "budgets": (), "baseline": None, "dive_ci": None, "rule_files": ()}
    with closing(open_session({**params, **quiet_gate, "config": None, "no_config": True})) as session:
        inputs = _inputs(params, session)
        # Every text of the engine, and the patch itself, is held against the secrets of the project.
        scan = scan_context(inputs.context, inputs.dockerfile, session.scanner, session.progress)
        session.learn(scan.hits)
        session.learn_values(inputs.build_args)
        replan = _planner(inputs, params)
        settled, build = _settle(inputs, params, session, replan)
        session.progress.clear()
        failed = bool(params["prove"] and settled.withdrawn and not settled.plan.changes)
        _tell(settled, params, session, outputs)
        if outputs:
            _report(settled, params, session, outputs, build, replan, failed=failed)
        _hand_over(settled.plan, params, session)
    return EXIT_FINDINGS if failed else EXIT_GO


def _check_outputs(params: Mapping[str, Any]) -> tuple[Output, ...]:
    """The reports to write. Raises InputError where something cannot be written, or two would mix."""
    from imgscan.cli.output import plan_outputs

    for path in (params["output"], params["json_path"]):
        if path is not None and not path.absolute().parent.is_dir():
            raise InputError(f"cannot write {path}: there is no folder {path.absolute().parent}")
    outputs = plan_outputs(params["reports"], quiet=True)
    for output in outputs:
        if output.path is not None and output.path in (params["output"], params["json_path"]):
            raise InputError(f"two outputs would both write {output.path}")
    on_stdout = next((output.name for output in outputs if output.path is None), None)
    if on_stdout and params["output"] is None and not params["write"]:
        raise InputError(
            f"--format {on_stdout} would mix with the patch on stdout",
            next_step=f"give one of them a file: --format {on_stdout}=PATH, or --output PATH for the patch",
        )
    return outputs


def _inputs(params: Mapping[str, Any], session: Session) -> Inputs:
    """The project as it lies on the disk: base images are substituted only in what is built."""
    from imgscan.cli.session import inputs_of, open_project

    builder = params["builder"] if params["builder"] in ("classic", "podman") else "buildkit"
    return inputs_of(replace(open_project({**params, "base_images": ()}, session.progress), builder=builder))


def _planner(inputs: Inputs, params: Mapping[str, Any]) -> Replan:
    from imgscan.optimize.records import Kind
    from imgscan.optimize.suggest import DEFAULT_KINDS, suggest

    kinds = (*DEFAULT_KINDS, Kind.MOUNT) if params["cache_mounts"] else DEFAULT_KINDS

    def replan(excluded: Collection[str]) -> Plan:
        return suggest(inputs, kinds, excluded)

    return replan


def _settle(
    inputs: Inputs, params: Mapping[str, Any], session: Session, replan: Replan
) -> tuple[Settled, BuildInfo | None]:
    """What stands, and with which builder and engine that was found out, if anything was built."""
    from imgscan.optimize.settle import Settled

    plan = replan(())
    if not params["prove"] or not plan.changes:
        return Settled(plan=plan), None
    from imgscan.build.request import BuildOptions, choose_builder
    from imgscan.engine import Engine
    from imgscan.optimize.prove import ProofOptions, open_prover
    from imgscan.optimize.settle import settle

    with Engine.connect() as engine:
        build = BuildOptions(
            builder=choose_builder(params["builder"], engine.info.kind),
            target=inputs.target,
            build_args=inputs.build_args,
            network=params["network"],
            platform=params["platform"],
        )
        options = ProofOptions(
            build=build,
            bases=dict(params["base_images"]),
            repeats=0 if params["no_timing"] else params["repeats"],
            touch_source_path=params["touch_source"],
        )
        say, clean = BuildProgress(session.progress).tell, session.redactor.clean
        info = engine.info
        built = BuildInfo(
            builder=build.builder.value, engine=f"{info.kind} {info.version}", store=info.store, cpus=info.cpus
        )
        with open_prover(engine, plan, options, say=say, clean=clean) as prover:
            return settle(prover, plan, replan), built


@frozen(kw_only=False)
class _File:
    """A file of the patch: where it lies, and how it changes."""

    path: Path
    change: FileChange


def _files(plan: Plan) -> tuple[_File, ...]:
    from imgscan.diff import FileChange

    inputs = plan.inputs
    places = (
        (inputs.context.dockerfile_path, inputs.dockerfile.text, plan.dockerfile_text),
        (inputs.context.root / inputs.ignore_file, inputs.ignore_text, plan.ignore_text),
    )
    return tuple(
        _File(path, FileChange(path=_shown_path(path, inputs.context.root), before=before, after=after or ""))
        for path, before, after in places
        if before != after
    )


def _shown_path(path: Path, root: Path) -> str:
    """As seen from the working directory, where the patch is applied; from the context if that lies elsewhere."""
    for base in (Path.cwd(), root.resolve()):
        absolute = path.parent.resolve() / path.name
        if absolute.is_relative_to(base):
            return absolute.relative_to(base).as_posix()
    return path.name


def _patch(plan: Plan, clean: Callable[[str], str]) -> str | None:
    """The unified diff; None if a line that it moves holds a secret."""
    from imgscan.diff import diff_without

    return diff_without(tuple(file.change for file in _files(plan)), lambda text: clean(text) != text)


def _tell(settled: Settled, params: Mapping[str, Any], session: Session, outputs: Collection[Output]) -> None:
    """What it does, in words and as JSON. Raises InputError for a patch that cannot be shown and need be."""
    from imgscan.optimize.present import render_json, render_text

    clean = session.redactor.clean
    patch = _patch(settled.plan, clean)
    if patch is None and not params["write"]:
        raise InputError(
            "the patch cannot be shown: a line that it moves holds a secret",
            next_step="remove the secret from the Dockerfile first, or let --write change the files",
        )
    text = clean(render_text(settled, asked_for_proof=params["prove"]))
    if not params["quiet"]:
        taken = (params["output"] is None and not params["write"]) or any(one.path is None for one in outputs)
        click.echo(text, nl=False, err=taken)
    if params["json_path"] is not None:
        from imgscan.cli.output import write_atomically

        write_atomically(params["json_path"], clean(render_json(settled, patch, str(params["context"])).decode()))


def _report(
    settled: Settled,
    params: Mapping[str, Any],
    session: Session,
    outputs: Collection[Output],
    build: BuildInfo | None,
    replan: Replan,
    *,
    failed: bool,
) -> None:
    from imgscan.cli.output import write_reports
    from imgscan.cli.patch_report import patch_report
    from imgscan.optimize.reported import patch_proofs

    clean = session.redactor.clean
    proofs = patch_proofs(settled, replan, lambda plan: _patch(plan, clean), asked=params["prove"])
    report = patch_report(str(params["context"]), settled.plan, proofs, build, session, failed=failed)
    write_reports(report, tuple(outputs), dict(params))


def _hand_over(plan: Plan, params: Mapping[str, Any], session: Session) -> None:
    """The patch to stdout, a file or the files."""
    from imgscan.cli.output import write_atomically

    if params["write"]:
        for file in _files(plan):
            _apply(file)
    data = (_patch(plan, session.redactor.clean) or "").encode("utf-8", "surrogateescape")
    if params["output"] is not None:
        write_atomically(params["output"], data)
    elif not params["write"]:
        sys.stdout.buffer.write(data)
        sys.stdout.flush()


def _apply(file: _File) -> None:
    """Change a file on the disk. Raises InputError when it is not what the patch was made for any more."""
    from imgscan.cli.output import write_atomically
    from imgscan.dockerfile.locate import read_regular_file

    before = file.change.before
    path = file.path.resolve()
    try:
        now = read_regular_file(path, 64 << 20).decode("utf-8", "surrogateescape")
    except FileNotFoundError:
        now = None
    except (OSError, ValueError) as error:
        raise InputError(f"{file.path} cannot be read: {error}") from error
    if now != before:
        raise InputError(f"{file.path} was changed meanwhile; nothing more was written", next_step="run it again")
    write_atomically(path, file.change.after.encode("utf-8", "surrogateescape"))
