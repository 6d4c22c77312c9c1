"""What the commands share once their options are known: the scanner, the redactor, progress, the gate; and the steps
from a target or a context to records."""

from __future__ import annotations

import os
import sys
from collections.abc import Iterable, Mapping
from contextlib import closing
from dataclasses import replace
from datetime import UTC, datetime
from pathlib import Path
from typing import TYPE_CHECKING, Any, Final

from imgscan.acceptance import Acceptance
from imgscan.allowlist import AllowEntry
from imgscan.assess import Gate, Project, image_findings, image_report, make_report
from imgscan.cachedir import cache_dir
from imgscan.cli.known import read_known
from imgscan.detect.secrets.findings import LocatedHit, secret_findings
from imgscan.detect.secrets.matcher import MATCHERS, has_hyperscan
from imgscan.detect.secrets.scanner import SecretScanner, load_scanner
from imgscan.diveci import find_dive_ci, read_dive_ci
from imgscan.errors import InputError
from imgscan.escape import path_text, plain, shorten
from imgscan.frozen import frozen
from imgscan.lazyre import lazy_re
from imgscan.model import Finding, Report, Severity, Target, Timing
from imgscan.progress import Progress
from imgscan.redaction import Redactor, redactor_for
from imgscan.risk.budgets import Limit, parse_budgets
from imgscan.rulebook import load_rules
from imgscan.store.baseline import Baseline, read_baseline

if TYPE_CHECKING:
    from imgscan.dockerfile.context import BuildContext
    from imgscan.dockerfile.tree import Dockerfile
    from imgscan.optimize.records import Inputs
    from imgscan.scan import ImageScan, Means
    from imgscan.source.records import Image
    from imgscan.store.layercache import LayerCache
    from imgscan.store.searchedfiles import SearchedFiles

_MAX_IGNORE_BYTES: Final = 4 << 20
_MOST_PLATFORMS: Final = 12
_PLATFORM_CHARACTERS: Final = 40
_PREDEFINED: Final = lazy_re(r"(?i:.*_proxy)$|BUILDKIT_|SOURCE_DATE_EPOCH$")
"""Build arguments that mean something to the builder without an ARG in the Dockerfile."""


@frozen
class Session:
    """One run of a command."""

    scanner: SecretScanner
    redactor: Redactor
    progress: Progress
    gate: Gate
    jobs: int | None = None
    results: LayerCache | None = None
    searched: SearchedFiles | None = None

    @property
    def means(self) -> Means:
        """What scanning an image needs."""
        from imgscan.scan import Means

        return Means(
            scanner=self.scanner,
            progress=self.progress,
            jobs=self.jobs,
            results=self.results,
            searched=self.searched,
        )

    def close(self) -> None:
        """Close what is kept between runs."""
        if self.results is not None:
            self.results.close()
        if self.searched is not None:
            self.searched.close()

    def learn(self, hits: Iterable[LocatedHit]) -> None:
        """Remember the secrets of hits, so that no text of the report shows them."""
        for item in hits:
            self.redactor.learn_hit(item.hit)

    def learn_values(self, values: Mapping[str, str]) -> None:
        """Remember those of named values (build arguments) that are secrets."""
        for name, value in values.items():
            for hit in self.scanner.scan_assignment(name, value, path="ARG"):
                self.redactor.learn_hit(hit)


NOT_ASKED: Final[Mapping[str, Any]] = {
    "fail_on": "never", "budgets": (), "dive_ci": None, "baseline": None, "rule_files": (), "exit_zero": False,
    "strict": False, "allow": (), "base": None, "fail_on_new": False,
}  # fmt: skip
"""What a scan takes, for commands that do not ask for it."""


def open_session(params: Mapping[str, Any]) -> Session:
    """Check the gate's options, then load the rules. Raises InputError."""
    fail_on = None if params["fail_on"] == "never" else Severity(params["fail_on"])
    progress = make_progress(quiet=params["quiet"], verbose=params["verbose"])
    limits = parse_budgets(params["budgets"], dive_limits(params, progress))
    baseline = read_baseline(params["baseline"]) if params["baseline"] else None
    known = read_known(params.get("base"), gates=params.get("fail_on_new", False))
    progress.stage("loading rules")
    matcher = chosen_matcher()
    scanner = load_scanner(rule_files=params["rule_files"], backend=matcher, unpack=not params.get("no_unpack"))
    for note in scanner.notes:
        progress.note(note)

    results, searched = (None, None) if params.get("no_cache", True) else _open_kept(scanner, matcher)
    return Session(
        scanner=scanner,
        redactor=redactor_for(scanner),
        progress=progress,
        gate=Gate(
            fail_on=fail_on,
            limits=limits,
            acceptance=_acceptance(params, baseline, scanner),
            waivers=params.get("waivers", ()),
            known=known,
        ),
        jobs=params.get("jobs"),
        results=results,
        searched=searched,
    )


def _acceptance(params: Mapping[str, Any], baseline: Baseline | None, scanner: SecretScanner) -> Acceptance:
    """What the options and the configuration accept, as of today."""
    allow: tuple[AllowEntry, ...] = params.get("allow", ())
    return Acceptance(
        allow=allow,
        baseline=baseline,
        image_marks=params.get("trust_image_ignores", False),
        rule_ids=frozenset({*load_rules(), *scanner.rules}),
        today=datetime.now(UTC).date(),
        tell_stale=len(params.get("targets", ())) <= 1,
    )


def chosen_matcher(environment: Mapping[str, str] = os.environ) -> str:
    """The matcher that IMGSCAN_MATCHER names, or `auto`. Raises InputError for one that is not there."""
    name = environment.get("IMGSCAN_MATCHER", "").strip().lower() or "auto"
    if name not in MATCHERS:
        raise InputError(f"IMGSCAN_MATCHER={name!r} names no matcher", next_step=f"one of {', '.join(MATCHERS)}")
    if name == "hyperscan" and not has_hyperscan():
        raise InputError(
            "IMGSCAN_MATCHER=hyperscan, but hyperscan is not installed",
            cause="its wheel does not exist for every platform",
            next_step="unset it: RE2 then finds the same, more slowly",
        )
    return name


def _open_kept(scanner: SecretScanner, matcher: str) -> tuple[LayerCache, SearchedFiles]:
    """What earlier scans with these rules kept; who chose a matcher wants to see that one at work."""
    from imgscan.store.layercache import LayerCache, results_version
    from imgscan.store.searchedfiles import SearchedFiles

    version = results_version(scanner)
    if matcher != "auto":
        version = f"{version} {matcher}"
    return LayerCache(cache_dir(), version), SearchedFiles(cache_dir(), version)


def dive_limits(params: Mapping[str, Any], progress: Progress) -> tuple[Limit, ...]:
    """The limits of the `.dive-ci` that was named, or of the one that lies in the context or the working directory.

    A file that is used, or is there and not used, is always named. Raises InputError for one that dive would refuse, or
    of which it would pass over something.
    """
    path: Path | None = params["dive_ci"]
    if path is None:
        if params["no_config"]:
            return ()
        path = find_dive_ci([params["context"], Path()] if "context" in params else [Path()])
    if path is None:
        return ()
    if params["config"] and params["dive_ci"] is None:
        progress.note(f"{path} is not read: --config names the only configuration file. Use --dive-ci {path}.")
        return ()
    rules = read_dive_ci(path)
    progress.note(f"dive's rules of {path} count: {rules.summary}")
    return rules.limits


def make_progress(*, quiet: bool, verbose: bool) -> Progress:
    """Progress as the terminal allows: a live line on a terminal, plain lines with --verbose, few lines in a log."""
    terminal = sys.stderr.isatty() and os.environ.get("TERM") != "dumb" and not os.environ.get("CI")
    return Progress(sys.stderr, live=terminal and not quiet, lines=verbose and not quiet, beats=not quiet)


def open_project(params: Mapping[str, Any], progress: Progress, *, name: str | None = None) -> Project:
    """The context and its Dockerfile, base images substituted as asked for. `name` is what the Dockerfile is called if
    not by its path in the context. Raises InputError."""
    from imgscan.dockerfile.context import read_context
    from imgscan.dockerfile.parse import parse
    from imgscan.dockerfile.substitute import substitute_bases

    context = read_context(params["context"], params["file"])
    dockerfile = parse(context.dockerfile_text, name or _shown_name(context))
    build_args = declared_args(dockerfile, params["build_args"])
    for key in sorted(dict(params["build_args"]).keys() - build_args.keys()):
        progress.note(f"the build argument {key} is not used: {dockerfile.file} declares no ARG of that name")
    images = dict(params["base_images"])
    if images:
        text = substitute_bases(dockerfile, images, build_args)
        data = text.encode("utf-8", "surrogateescape")
        context = replace(context, dockerfile_text=data)
        dockerfile = parse(data, dockerfile.file)
    target = params["target"]
    names = [stage.name or str(stage.index) for stage in dockerfile.stages]
    if target is not None and target.lower() not in names and target not in map(str, range(len(names))):
        raise InputError(f"{dockerfile.file} has no stage {target!r}", next_step=f"its stages: {', '.join(names)}")
    return Project(context=context, dockerfile=dockerfile, target=target, build_args=build_args)


def inputs_of(project: Project) -> Inputs:
    """The project as what is to be mended. Raises InputError when the ignore file cannot be read any more."""
    from imgscan.dockerfile.locate import read_regular_file
    from imgscan.optimize.records import Inputs

    context = project.context
    ignore_file = (context.rules.file if context.rules else None) or ".dockerignore"
    try:
        data = read_regular_file(context.root / ignore_file, _MAX_IGNORE_BYTES) if context.rules else None
    except (OSError, ValueError) as error:
        raise InputError(f"{ignore_file} cannot be read: {error}") from error
    return Inputs(
        dockerfile=project.dockerfile,
        context=context,
        target=project.target,
        build_args=project.build_args,
        builder=project.builder,
        ignore_file=ignore_file,
        ignore_text=None if data is None else data.decode("utf-8", "surrogateescape"),
        folder=project.folder,
    )


def patched_findings(project: Project, timings: tuple[Timing, ...], redactor: Redactor) -> tuple[Finding, ...]:
    """What the project's files say, with a patch where one can be made from them alone."""
    from imgscan.assess import project_findings
    from imgscan.optimize.attach import with_patches

    found = project_findings(project, timings)
    return tuple(with_patches(found, inputs_of(project), lambda text: redactor.clean(text) != text))


def declared_args(dockerfile: Dockerfile, pairs: Iterable[tuple[str, str]]) -> dict[str, str]:
    """The build arguments that the Dockerfile declares, or that every build knows. Others would only make the engine
    complain: a configuration file may serve several Dockerfiles."""
    commands = [*dockerfile.global_args, *(command for stage in dockerfile.stages for command in stage.commands)]
    declared = {word.partition("=")[0] for command in commands if command.keyword == "ARG" for word in command.words}
    return {key: value for key, value in pairs if key in declared or _PREDEFINED.match(key)}


def scan_target(
    target: str, session: Session, *, platform: str | None = None, insecure_registries: Iterable[str] = ()
) -> Report:
    """One image, scanned and weighed. Raises EngineError or InputError."""
    return scan_for_report(target, session, platform=platform, insecure_registries=insecure_registries)[1]


def scan_for_report(
    target: str, session: Session, *, platform: str | None = None, insecure_registries: Iterable[str] = ()
) -> tuple[ImageScan, Report]:
    """One image, scanned, and the report of it. Raises EngineError or InputError."""
    from imgscan.layers.attribution import attribute
    from imgscan.scan import locate_hits, scan_image
    from imgscan.source import open_image

    say, told = session.progress.stage, list[str]()
    say(f"opening {target}")
    session.scanner.begin()
    opened = open_image(target, platform=platform, insecure_hosts=insecure_registries, say=say, note=told.append)
    with closing(opened) as reader:
        scan = scan_image(reader, session.means)
    if scan.image.unchosen:
        told.append(_unchosen_words(scan.image))
    attributed = attribute(scan.image)
    located = tuple(locate_hits(scan, attributed.layers))
    session.learn(located)
    image = image_report(scan, attributed)
    report = make_report(
        target=Target(
            kind=reader.kind,
            ref=target,
            image_id=scan.image.image_id or None,
            digest=scan.image.digest,
            platform=scan.image.platform,
        ),
        findings=(*secret_findings(located), *image_findings(scan, image, None)),
        gate=session.gate,
        rule_packs=session.scanner.pack_names,
        skipped=scan.skipped,
        image=image,
        coverage=scan.coverage,
        unpacked=session.scanner.unpack,
    )
    for note in told:
        session.progress.note(note)
    return scan, session.redactor.sweep(replace(report, notes=(*told, *report.notes)))


def _unchosen_words(image: Image) -> str:
    """That there are images for other platforms, of which nothing was read."""
    first = ", ".join(plain(shorten(name, _PLATFORM_CHARACTERS)) for name in image.unchosen[:_MOST_PLATFORMS])
    more = f" and {len(image.unchosen) - _MOST_PLATFORMS} more" if len(image.unchosen) > _MOST_PLATFORMS else ""
    return (
        f"the image for {plain(image.platform or 'no platform that it says')} was read; "
        f"there are others for {first}{more}: choose one with --platform"
    )


def _shown_name(context: BuildContext) -> str:
    """The Dockerfile's path from the context, where it lies inside."""
    path = Path(context.dockerfile_path)
    try:
        relative = path.resolve().relative_to(context.root.resolve())
    except ValueError:
        relative = path
    return path_text(os.fsencode(relative))
