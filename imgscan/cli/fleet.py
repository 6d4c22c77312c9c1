"""`imgscan fleet`: many images, each distinct layer read once."""

from __future__ import annotations

import time
from contextlib import ExitStack, closing
from dataclasses import replace
from datetime import UTC, datetime
from pathlib import Path
from typing import TYPE_CHECKING, Any, Final

import click

from imgscan.cli.fleet_options import fleet_options
from imgscan.cli.options import merged_params
from imgscan.errors import EXIT_FINDINGS, EXIT_GO, IncompleteError
from imgscan.model import Severity

if TYPE_CHECKING:
    from imgscan.cli.session import Session
    from imgscan.fleet.expand import Listed, ListOptions
    from imgscan.fleet.lookup import Resolving
    from imgscan.fleet.run import FleetMeans
    from imgscan.fleets import FleetReport
    from imgscan.store.fleetstore import FleetStore

_GONE_SHOWN: Final = 10
_TIME: Final = "%Y-%m-%dT%H:%M:%SZ"


@click.command("fleet")
@click.argument("sources", metavar="SOURCE...", nargs=-1, required=True)
@fleet_options
@click.pass_context
def fleet(ctx: click.Context, /, **_: Any) -> int:  # noqa: ANN401 - click's own values, by way of the context
    """Scan many images: of registries, of the engine, of manifests, of folders, of lists. What they share is read once,
    and what an earlier run has read is not read again.

    \b
    SOURCE is one of
      registry://HOST/             a registry: all that its catalogue lists
      registry://HOST/PREFIX/      every repository below PREFIX; globs work, too
      registry://HOST/REPO:GLOB    tags of a repository
      engine://                    the images of the engine
      k8s:PATH, compose:PATH       the images of manifests (FILE.yaml is looked into)
      FOLDER/                      archives and OCI layouts below a folder
      FILE.txt, FILE.toml, -       a list: an image, or any of the above, a line
      anything else                one image, as imgscan scan takes it

    Every run says what is new, standing and fixed in each image since the one before. A run that was ended in the
    middle goes on where it was when it is started again.

    \b
    Examples:
      imgscan fleet registry://registry.example.org/ --newest 3 --fail-on-new
      imgscan fleet engine:// k8s:deploy/ --format html=fleet.html
      imgscan fleet images.txt --store postgresql://db/imgscan --scheduler tcp://scheduler:8786
    """
    params = merged_params(ctx, Path())
    from imgscan.cli.fleet_output import plan_fleet_outputs, write_fleet

    outputs = plan_fleet_outputs(params["formats"], quiet=params["quiet"])
    if params["webhook"]:
        from imgscan.forge.webhook import check_webhook

        check_webhook(params["webhook"])
    with ExitStack() as stack:
        from imgscan.cli.session import NOT_ASKED, open_session

        # What is new, and what is kept, is for the store to say.
        asked = {**NOT_ASKED, **params, "no_cache": True, "fail_on_new": False}
        session = stack.enter_context(closing(open_session(asked)))
        listed = _expand(params, session)
        store = _open_store(params, session, stack)
        if params["plan"]:
            return _show_plan(listed, params, session, store)
        report = _run(listed, store, params, session)
        session.progress.clear()
        write_fleet(report, store, outputs, params, session.gate)
        _after(report, store, params)
    return _exit_code(report, params)


def _expand(params: dict[str, Any], session: Session) -> Listed:
    from imgscan.fleet.expand import expand

    return expand(params["sources"], _list_options(params), say=session.progress.update)


def _list_options(params: dict[str, Any]) -> ListOptions:
    from imgscan.fleet.expand import ListOptions
    from imgscan.fleet.tags import TagRules

    return ListOptions(
        tags=TagRules(
            include=params["tags"],
            exclude=params["not_tags"],
            semver=params["semver"],
            prereleases=params["prereleases"],
            newest=params["newest"],
            since_s=params["since_s"],
        ),
        not_repositories=params["not_repositories"],
        platforms=params["platforms"],
        dangling=params["dangling"],
        names_from=params["names_from"],
        env_files=params["env_files"],
        insecure_hosts=params["insecure_registries"],
        connections=params["connections"],
        teams=params["teams"],
    )


def _open_store(params: dict[str, Any], session: Session, stack: ExitStack) -> FleetStore:
    from imgscan.fleet.read import work_version
    from imgscan.store.fleetstore import default_fleet_url, open_fleet_store

    url = params["store"] or default_fleet_url()
    return stack.enter_context(open_fleet_store(url, rules=work_version(session.scanner)))


def _means(store: FleetStore, params: dict[str, Any], session: Session) -> FleetMeans:
    from imgscan.fleet.limits import Limits
    from imgscan.fleet.run import FleetMeans

    return FleetMeans(
        means=replace(session.means, results=None),
        store=store,
        gate=session.gate,
        limits=Limits(connections=params["connections"], bytes_per_s=params["bytes_per_s"] or 0),
        resolving=_resolving(params, session),
        rule_files=tuple(str(path.absolute()) for path in params["rule_files"]),
        scheduler=params["scheduler"],
    )


def _resolving(params: dict[str, Any], session: Session) -> Resolving:
    from imgscan.fleet.lookup import Resolving
    from imgscan.fleet.read import texts_version

    return Resolving(
        connections=params["connections"],
        insecure_hosts=params["insecure_registries"],
        team_label=params["team_label"] or "",
        texts=texts_version(session.scanner),
    )


def _run(listed: Listed, store: FleetStore, params: dict[str, Any], session: Session) -> FleetReport:
    """One run, from its beginning in the store to its report."""
    from imgscan import __version__
    from imgscan.fleet.run import run_fleet
    from imgscan.fleet.telling import tell_run

    began, started_at = time.monotonic(), _now()
    run = store.begin_run(started_at, version=__version__, sources=params["sources"])
    result = run_fleet(run, _means(store, params, session), listed.wanted)
    figures = replace(result.figures, seconds=round(time.monotonic() - began, 3))
    complete = result.complete and not listed.not_listed
    finished_at = _now()
    gone = store.finish_run(run, finished_at, figures, complete, listed=not listed.not_listed)
    return tell_run(
        store,
        run,
        started_at=started_at,
        finished_at=finished_at,
        rule_packs=session.scanner.pack_names,
        figures=figures,
        complete=complete,
        made_by=result.made_by,
        not_listed=listed.not_listed,
        notes=_notes(gone),
    )


def _notes(gone: tuple[str, ...]) -> list[str]:
    if not gone:
        return []
    more = f" and {len(gone) - _GONE_SHOWN:,} more" if len(gone) > _GONE_SHOWN else ""
    return [f"no longer among the sources: {', '.join(gone[:_GONE_SHOWN])}{more}"]


def _show_plan(listed: Listed, params: dict[str, Any], session: Session, store: FleetStore) -> int:
    from imgscan.fleet.preview import preview

    plan = preview(listed.wanted, _means(store, params, session))
    session.progress.clear()
    click.echo("\n".join((*plan.lines(), *(f"not listed: {item.source}: {item.reason}" for item in listed.not_listed))))
    return EXIT_GO


def _after(report: FleetReport, store: FleetStore, params: dict[str, Any]) -> None:
    """What is done once a run is told: what is old is forgotten, and others hear of what is new."""
    from imgscan.report.fleet.gate import blocking

    store.prune(runs=params["keep_runs"], days=params["keep_days"])
    news = blocking(report, _threshold(params), new_only=True)
    if news and params["webhook"]:
        from imgscan.forge.webhook import post_fleet

        post_fleet(params["webhook"], report, news)


def _threshold(params: dict[str, Any]) -> Severity | None:
    return None if params["fail_on"] == "never" else Severity(params["fail_on"])


def _exit_code(report: FleetReport, params: dict[str, Any]) -> int:
    from imgscan.report.fleet.gate import blocking

    if params["exit_zero"]:
        return EXIT_GO
    if blocking(report, _threshold(params), new_only=params["fail_on_new"]):
        return EXIT_FINDINGS
    return IncompleteError.exit_code if params["strict"] and not report.complete else EXIT_GO


def _now() -> str:
    return datetime.now(UTC).strftime(_TIME)
