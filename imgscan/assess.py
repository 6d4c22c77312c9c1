"""From facts to a report: every detector is asked, findings are put together, risks weighed, the verdict given. Pure.

In: what scanning, building and reading the project gave. Out: one `Report`.
"""

from __future__ import annotations

from collections.abc import Collection, Iterable, Iterator, Mapping, Sequence
from dataclasses import replace
from typing import TYPE_CHECKING

from imgscan import __version__
from imgscan.acceptance import (
    NOTHING_ACCEPTED,
    PROJECT_PLACES,
    Acceptance,
    Sought,
    accept,
    accepted_findings,
    open_findings,
)
from imgscan.coverage import is_whole, join_coverage, limit_skipped
from imgscan.detect import danglinglinks, filemodes, imageconfig, leftbehind, size
from imgscan.detect.layerfacts import large_files, visible_modes
from imgscan.frozen import frozen
from imgscan.ignores import NO_IGNORES, Ignores
from imgscan.layers.attribution import Attributed
from imgscan.model import (
    SCHEMA_VERSION,
    Budget,
    BuildFailure,
    BuildInfo,
    CacheMetrics,
    Coverage,
    Finding,
    ImageReport,
    LayerReport,
    NotRead,
    Place,
    Report,
    Risk,
    RiskSummary,
    Severity,
    Skipped,
    Target,
    Timing,
    Tool,
    Verdict,
    Verification,
)
from imgscan.novelty import Known, news_notes, news_of
from imgscan.risk.budgets import Limit, check_budgets
from imgscan.risk.register import Facts, assess
from imgscan.risk.summary import summarise
from imgscan.risk.verdict import judge
from imgscan.rulebook import rules_of
from imgscan.scan import ImageScan
from imgscan.verification import passed_risks
from imgscan.waivers import WaiverEntry, counting, waiver_notes

if TYPE_CHECKING:
    from imgscan.dockerfile.context import BuildContext
    from imgscan.dockerfile.tree import Dockerfile
    from imgscan.project.setup import Setup
    from imgscan.project.stakes import Stakes


@frozen
class Project:
    """A Dockerfile with its context, and by which builder (buildkit, classic, podman) and store it is built. `folder`
    is the context's from the folder that is looked at (empty: they are the same)."""

    context: BuildContext
    dockerfile: Dockerfile
    target: str | None
    build_args: Mapping[str, str]
    builder: str = "buildkit"
    store: str | None = None
    folder: str = ""


@frozen
class Gate:
    """What forbids the merge: the findings' threshold (None: none) and the budgets; and which findings and risks do
    not. `known` is what a base knew."""

    fail_on: Severity | None
    limits: tuple[Limit, ...] = ()
    acceptance: Acceptance = NOTHING_ACCEPTED
    waivers: tuple[WaiverEntry, ...] = ()
    known: Known | None = None


@frozen
class Earlier:
    """Rebuilds that another run measured, and what they say of the build cache."""

    timings: tuple[Timing, ...]
    cache: CacheMetrics


def project_findings(project: Project, timings: Sequence[Timing] = ()) -> Iterator[Finding]:
    """What the project's own files say, and what measured rebuilds add to it."""
    # Here and not above: an image alone is scanned without all of these.
    from imgscan.detect import cachebust
    from imgscan.project import contextfiles, workspace, workspacecache

    context, dockerfile = project.context, project.dockerfile
    target, build_args = project.target, project.build_args
    yield from cachebust.detect(
        dockerfile,
        context,
        target=target,
        build_args=build_args,
        builder=project.builder,
        timings=tuple(timings),
        store=project.store,
    )
    yield from contextfiles.detect(context, dockerfile, target, build_args)
    yield from workspace.detect(dockerfile, context, target, build_args)
    yield from workspacecache.detect(dockerfile, context, target, build_args)


def configured_findings(project: Project) -> Iterator[Finding]:
    """What the Dockerfile says of the image's configuration, for when there is no image to ask."""
    yield from imageconfig.detect(None, project.dockerfile, target=project.target, build_args=project.build_args)


def image_report(scan: ImageScan, attributed: Attributed) -> ImageReport:
    """The image by size, layer by layer."""
    stacked = scan.stacked
    attributions = {item.layer: item for item in attributed.layers}
    layers = tuple(
        LayerReport(
            index=layer.index,
            diff_id=layer.diff_id,
            digest=layer.digest,
            size_bytes=stacked.layer_bytes[layer.index],
            entries=scan.layers[layer.index].listing.entries,
            whiteouts=len(scan.layers[layer.index].listing.whiteouts) + len(scan.layers[layer.index].listing.opaques),
            reclaimable_bytes=stacked.layer_reclaimable[layer.index],
            from_base=attributions[layer.index].from_base,
            instruction=attributions[layer.index].instruction,
            dockerfile=attributions[layer.index].dockerfile,
        )
        for layer in scan.image.layers
    )
    return ImageReport(
        size_bytes=stacked.size_bytes,
        visible_bytes=stacked.visible_bytes,
        reclaimable_bytes=stacked.reclaimable_bytes,
        efficiency=stacked.efficiency,
        base_layers=attributed.base_layers,
        base_method=attributed.base_method,
        dive=scan.dive,
        layers=layers,
        waste=tuple(item.as_waste() for item in stacked.waste),
        directories=stacked.directories,
    )


def image_findings(
    scan: ImageScan, image: ImageReport, project: Project | None, setup: Setup | None = None
) -> Iterator[Finding]:
    """What the image's size, files and configuration say, also to the health checks of the compose files of `setup`."""
    dockerfile = project.dockerfile if project else None
    target = project.target if project else None
    build_args = project.build_args if project else {}
    yield from size.detect(image, large_files(scan.facts, scan.stacked))
    groups = {layer: facts.groups for layer, facts in enumerate(scan.facts)}
    yield from leftbehind.detect(groups, image.layers, image.waste)
    yield from filemodes.detect(visible_modes(scan.facts, scan.stacked), image.layers)
    yield from danglinglinks.detect(scan.facts, scan.stacked, image.layers, _needed(project))
    yield from imageconfig.detect(scan.image.config, dockerfile=dockerfile, target=target, build_args=build_args)
    yield from _observed(scan, project, setup)


def _observed(scan: ImageScan, project: Project | None, setup: Setup | None) -> Iterator[Finding]:
    """Health checks whose program is not in the image; nothing is said of one that could not be read as a whole."""
    config = scan.image.config
    if scan.skipped or (config.healthcheck is None and (project is None or setup is None)):
        return
    # Here and not above: most images have no health check, and what judges one takes its time to import.
    from imgscan.layers.finalpaths import final_paths
    from imgscan.project.health import observed

    line = imageconfig.healthcheck_line(project.dockerfile, project.target, project.build_args) if project else None
    tests = [test for test in (observed.image_test(config.healthcheck, line),) if test is not None]
    if project is not None and setup is not None:
        tests += observed.compose_tests(setup, project.dockerfile.file, project.target)
    if not tests:
        return
    path = next((entry.partition("=")[2] for entry in config.env if entry.startswith("PATH=")), None)
    exists = final_paths(scan.stacked, observed.names_in(tests))
    yield from observed.detect(tests, exists, path, config.workdir)


def _needed(project: Project | None) -> danglinglinks.Needed:
    """What the project's manifests ask for at run time."""
    if project is None:
        return lambda name: None
    from imgscan.project.manifests import run_time_needs

    needs = run_time_needs(project.context)
    return needs.get


def make_report(
    *,
    target: Target,
    findings: Iterable[Finding],
    gate: Gate,
    rule_packs: tuple[str, ...],
    skipped: Iterable[Skipped] = (),
    image: ImageReport | None = None,
    coverage: Coverage | None = None,
    build: BuildInfo | None = None,
    cache: CacheMetrics | None = None,
    unpacked: bool = True,
    stakes: Stakes | None = None,
    verifications: Sequence[Verification] = (),
    ignores: Ignores = NO_IGNORES,
    secrets_sought: bool = True,
    earlier: Earlier | None = None,
) -> Report:
    """Everything together, with the verdict. The same input gives the same report. `unpacked` is False if archives in
    files were not opened, `secrets_sought` if nobody looked for any; `stakes` are of the project's container set-up,
    `verifications` what running it showed, `earlier` what another run measured, for the risks alone to go by."""
    left_out, coverage = limit_skipped(tuple(skipped)), _coverage(coverage, target.ref, unpacked=unpacked)
    whole = not left_out and is_whole(coverage)
    sought = sought_in(target, image, whole=whole, verified=bool(verifications))
    kept, notes = accept(_ordered(findings), gate.acceptance, sought=sought, ignores=ignores)
    counts, failure = open_findings(kept), build.failure if build else None
    budgets = check_budgets(gate.limits, image, build.scenarios if build else ())
    facts = Facts(
        findings=counts,
        build=weighed_build(build),
        cache=cache if earlier is None else earlier.cache,
        timings=() if earlier is None else earlier.timings,
        image_scanned=image is not None and whole,
        accepted=accepted_findings(kept),
        stakes=stakes,
        dockerfile=target.dockerfile is not None,
        secrets_sought=secrets_sought,
        verified=passed_risks(verifications),
    )
    risks = assess(facts, counting(gate.waivers, gate.acceptance.today))
    judged = judge_report(gate, counts, risks, budgets, failure)
    return Report(
        schema_version=SCHEMA_VERSION,
        tool=Tool(name="imgscan", version=__version__, rule_packs=rule_packs),
        target=target,
        complete=whole and failure is None,
        verdict=judged.verdict,
        reasons=judged.reasons,
        skipped=left_out,
        image=image,
        findings=kept,
        coverage=coverage,
        build=build,
        cache=cache,
        risks=risks,
        risk_summary=judged.summary,
        budgets=budgets,
        notes=(*judged.notes, *notes, *_more_notes(gate, risks, build)),
        verifications=tuple(verifications),
        forbidding=judged.forbidding,
    )


def _ordered(findings: Iterable[Finding]) -> list[Finding]:
    """Each once, the worst first."""
    return sorted(without_doubles(findings), key=lambda f: (-f.severity.rank, f.rule_id, f.fingerprint))


def _more_notes(gate: Gate, risks: Sequence[Risk], build: BuildInfo | None) -> Iterator[str]:
    """What is to be said of waivers, and of rebuilds that were not measured as asked for."""
    yield from waiver_notes(gate.waivers, risks, gate.acceptance.today)
    yield from build.warnings if build else ()


def weighed_build(build: BuildInfo | None) -> BuildInfo | None:
    """The build as far as it is evidence: a registry that does not answer says nothing of the project."""
    return None if build is not None and build.failure is not None and build.failure.unreachable else build


@frozen
class Judged:
    """The verdict with its reasons, the register in short, and what is to be noted; `forbidding` are the fingerprints
    of the findings that count against the threshold."""

    verdict: Verdict
    reasons: tuple[str, ...]
    summary: RiskSummary
    notes: tuple[str, ...]
    forbidding: tuple[str, ...] = ()


def judge_report(
    gate: Gate,
    findings: Sequence[Finding],
    risks: Sequence[Risk],
    budgets: Sequence[Budget],
    failure: BuildFailure | None,
) -> Judged:
    """The verdict on open findings, risks and budgets; against what a base knew, only on what is new."""
    known, new, standing, notes = gate.known, None, frozenset[str](), list[str]()
    if known is not None:
        news = news_of(known, findings, risks, gate.fail_on, gate.acceptance.today)
        notes = news_notes(known, findings, news)
        if known.gates:
            new, standing = news.findings, news.standing
    verdict, reasons = judge(
        findings, risks, budgets, fail_on=gate.fail_on, failure=failure, new=new, standing=standing
    )
    if failure is not None and failure.unreachable:
        reasons = (f"nothing was built: the engine cannot get the image of `{failure.step}`", *reasons[1:])
    return Judged(
        verdict=verdict,
        reasons=reasons,
        summary=summarise(risks, verdict, standing, builds=failure is None),
        notes=tuple(notes),
        forbidding=tuple(f.fingerprint for f in findings if _forbids(f, risks, gate.fail_on, new)),
    )


def _forbids(finding: Finding, risks: Sequence[Risk], fail_on: Severity | None, new: Collection[str] | None) -> bool:
    """Whether a finding alone would forbid the merge: a waived risk does not, but decides whether its findings do."""
    waived = [risk for risk in risks if risk.waiver is not None]
    return judge((finding,), waived, (), fail_on=fail_on, new=new)[0] is Verdict.NO_GO


def _coverage(coverage: Coverage | None, ref: str, *, unpacked: bool) -> Coverage | None:
    """What was read, with what was closed to the scan on purpose."""
    if coverage is None or unpacked:
        return coverage
    closed = NotRead(where=ref, bytes=0, reason="archives inside files were not opened (--no-unpack)")
    return replace(coverage, not_read=(closed, *coverage.not_read))


def sought_in(target: Target, image: ImageReport | None, *, whole: bool, verified: bool) -> Sought:
    """Where something may have been found, and what cannot have been: of an image without one, of a run where nothing
    was run."""
    places = PROJECT_PLACES
    if image is not None:
        places = frozenset(Place) if target.kind == "build" else frozenset(Place) - PROJECT_PLACES
    missing = frozenset() if image is not None else rules_of("layers.yml") | _OF_IMAGES
    return Sought(places=places, not_for=missing if verified else missing | rules_of("proofs.yml"), whole=whole)


_OF_IMAGES = frozenset({"config-setuid", "config-world-writable", "ops-health-binary-missing"})


def without_doubles(findings: Iterable[Finding]) -> list[Finding]:
    """Each fingerprint once; none that only a name gave where the secret itself was found, nor the history twice."""
    once = {finding.fingerprint: finding for finding in findings}
    seen = {
        (place.place, place.path, place.line if place.place is Place.DOCKERFILE else None)
        for finding in once.values()
        if finding.rule_id.startswith("secret-")
        for place in finding.places
    }
    found = [f for f in once.values() if f.rule_id not in _BY_NAME or not _is_covered(f, seen)]
    # The history in the image came with the COPY that is blamed for taking it: one statement, not two.
    takers = {f.location.dockerfile for f in found if f.rule_id == "context-git-directory" and f.location.dockerfile}
    return [f for f in found if not (_is_history(f) and f.location.dockerfile in takers)]


def _is_history(finding: Finding) -> bool:
    return finding.rule_id == "layer-left-behind-cache" and (finding.location.path or "").endswith("/.git")


_BY_NAME = frozenset({"config-secret-in-env-name", "context-secret-in-arg"})


def _is_covered(finding: Finding, seen: set[tuple[Place, str | None, int | None]]) -> bool:
    location = finding.location
    if location.place is Place.ENV:
        return (Place.ENV, f"ENV {location.path}", None) in seen
    return (location.place, location.path, location.line) in seen


def merge_coverage(first: Coverage, second: Coverage | None) -> Coverage:
    """Two parts of one scan as one."""
    return join_coverage((first, second)) if second is not None else first
