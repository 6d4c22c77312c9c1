"""A plan -> its `Proof`, by building: the same image, an install that a source edit leaves cached and a lockfile edit
does not, and the seconds of both.

The original is built twice cold, which shows what is nondeterministic; the patched one is built cold, and its image
compared with the first. Every build, image, container and cache record is this run's own and is removed at the end.
"""

from __future__ import annotations

import posixpath
import secrets
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import ExitStack, contextmanager
from dataclasses import dataclass, replace
from typing import TYPE_CHECKING, Final

from imgscan.build.builder import Made, Workshop
from imgscan.build.candidates import LOCKFILES
from imgscan.build.cleanup import tidied
from imgscan.build.lines import is_from
from imgscan.build.measure import missed_steps, with_unreported
from imgscan.build.reach import find_reach
from imgscan.build.request import BuildOptions
from imgscan.build.scenarios import Touch, choose_files, read_context_file
from imgscan.build.touch import touch_lockfile, touch_source
from imgscan.errors import BuildError, EngineError
from imgscan.frozen import frozen
from imgscan.model import BuildFailure, BuildTrace
from imgscan.optimize.built import Version, excuses_of, original_version, patched_version
from imgscan.optimize.compare import Noise, config_differences, differences, unexplained
from imgscan.optimize.flatten import Flattener, Seen
from imgscan.optimize.records import Check, Comparison, Install, Plan, Proof

if TYPE_CHECKING:
    from imgscan.engine import Engine

_SHOWN: Final = 5
_MOST_LISTED: Final = 200
OnStage = Callable[[str], None]
Clean = Callable[[str], str]


@frozen
class ProofOptions:
    """How to build and measure. `bases` are base images to build from instead; `touch_source_path` is the user's;
    `repeats` counts the timed rebuilds of each scenario and version."""

    build: BuildOptions
    bases: Mapping[str, str]
    repeats: int = 3
    touch_source_path: str | None = None


@contextmanager
def open_prover(
    engine: Engine,
    plan: Plan,
    options: ProofOptions,
    *,
    say: OnStage = lambda text: None,
    clean: Clean = str,
) -> Iterator[Prover]:
    """A prover for plans of these inputs, with the original built. Everything made goes when the block ends.

    Raises BuildError when the original does not build, EngineError when the engine or a registry is gone.
    """
    with ExitStack() as stack:
        prover = Prover(engine, plan, options, stack, say, clean)
        prover.build_original()
        yield prover


@dataclass(slots=True, kw_only=True)
class _Bench:
    """One version with its builds: the workshop, the cold trace, how many touched builds there were."""

    version: Version
    workshop: Workshop
    cold: BuildTrace | None = None
    builds: int = 0

    def build(self, name: str, *, replace_files: Mapping[str, bytes] | None = None, cold: bool = False) -> Made:
        """One build; those that are not cold leave no image."""
        self.builds += 1
        made = self.workshop.build(
            f"{name}-{self.builds}",
            replace={**self.version.extra, **(replace_files or {})},
            no_cache=cold,
            throwaway=not cold,
        )
        if not cold:
            self.workshop.remove(made)
        return made

    def trace(self, made: Made) -> BuildTrace:
        """The trace, with the steps that the engine was silent on."""
        return with_unreported(made.trace, self.cold) if self.cold is not None else made.trace


class Prover:
    """Builds and compares. State: the original's builds and what they showed; `stack` removes everything."""

    def __init__(
        self, engine: Engine, plan: Plan, options: ProofOptions, stack: ExitStack, say: OnStage, clean: Clean
    ) -> None:
        self._engine = engine
        self._options = options
        self._stack = stack
        self._say = say
        self._clean = clean
        self._nonce = secrets.token_hex(6)
        self._touched = 0
        self._flattener = Flattener(engine)
        self._noise = Noise()
        self._original = self._bench(original_version(plan, options.bases))
        self._flat: dict[bytes, Seen] = {}
        self._config: Mapping[str, object] = {}

    def _bench(self, version: Version) -> _Bench:
        workshop = Workshop(
            engine=self._engine,
            context=version.context,
            dockerfile=version.dockerfile,
            options=self._options.build,
            run_id=secrets.token_hex(6),
            isolated=True,
            clean=self._clean,
        )
        return _Bench(version=version, workshop=self._stack.enter_context(tidied(workshop)))

    def build_original(self) -> None:
        """Build the original twice cold. Raises BuildError when it does not build."""
        flats: list[dict[bytes, Seen]] = []
        for number in (1, 2):
            self._say(f"building the original, {number}/2")
            made = self._original.build("cold", cold=True)
            if made.trace.failure is not None:
                if made.trace.failure.unreachable:
                    raise EngineError("a registry does not answer the engine", cause=told(made.trace.failure))
                raise BuildError(
                    "the image does not build as it is",
                    cause=told(made.trace.failure),
                    next_step="imgscan build-report explains why; optimize mends only what builds",
                )
            self._original.cold = made.trace
            flats.append(self._flattener.flatten(made.tag))
            self._config = self._engine.inspect_image(made.tag).get("Config") or {}
            self._original.workshop.remove(made)
        self._noise.learn(*flats)
        self._flat = flats[0]

    def prove(self, plan: Plan, *, timed: bool = True) -> Proof:
        """The proof of a plan; it is none as soon as one of its checks fails."""
        bench = self._bench(patched_version(plan, self._options.bases))
        self._say(f"building the patched version ({len(plan.changes)} changes)")
        made = bench.build("cold", cold=True)
        if made.trace.failure is not None:
            return Proof(checks=(Check(name="it builds", ok=False, detail=told(made.trace.failure)),))
        bench.cold = made.trace
        checks = [Check(name="it builds", ok=True, detail=f"{made.trace.seconds:.1f} s cold")]
        same, left_out = self._compare(plan, bench, made)
        checks += same
        bench.workshop.remove(made)
        comparisons: tuple[Comparison, ...] = ()
        if stands(checks):
            checks += self._check_rebuilds(plan, bench)
        if timed and stands(checks):
            comparisons, failed = self._time(plan, bench)
            checks += failed
        return Proof(
            checks=tuple(checks),
            comparisons=comparisons,
            nondeterministic=_listed(sorted(self._noise.paths)),
            nondeterministic_count=len(self._noise.paths),
            left_out=_listed(left_out),
            left_out_count=len(left_out),
            files_compared=len(self._flat),
        )

    def _compare(self, plan: Plan, bench: _Bench, made: Made) -> tuple[list[Check], list[bytes]]:
        """Whether configuration and file system are the same."""
        self._say("comparing the images")
        config = self._engine.inspect_image(made.tag).get("Config") or {}
        wrong_fields = config_differences(self._config, config)
        excuses = excuses_of(plan, self._original.version, bench.version)
        flat = self._flattener.flatten(made.tag)
        wrong, left_out = unexplained(differences(self._flat, flat), self._noise, excuses)
        if wrong and not wrong_fields:
            # What two builds of the patched version do not agree on is no difference either.
            self._say("building the patched version again: the images differ")
            again = bench.build("cold", cold=True)
            if again.trace.failure is None:
                self._noise.learn(flat, self._flattener.flatten(again.tag))
                wrong, left_out = unexplained(differences(self._flat, flat), self._noise, excuses)
            bench.workshop.remove(again)
        more = f" and {len(wrong) - _SHOWN} more" if len(wrong) > _SHOWN else ""
        listed = ", ".join(self._clean(item.shown) for item in wrong[:_SHOWN])
        same = f"{len(self._flat)} paths: type, mode, owner and content are equal"
        fields = ", ".join(self._clean(field) for field in wrong_fields)
        return [
            Check(
                name="the image's configuration is the same",
                ok=not wrong_fields,
                detail=f"these differ: {fields}" if wrong_fields else "every field and variable is equal",
            ),
            Check(
                name="the image's files are the same",
                ok=not wrong,
                detail=f"{len(wrong)} differ: {listed}{more}" if wrong else same,
            ),
        ], left_out

    def _check_rebuilds(self, plan: Plan, bench: _Bench) -> Iterator[Check]:
        """Whether installs are cached after a source edit, run after a lockfile edit, and do not mind new values."""
        installs = [install for change in plan.changes for install in change.installs]
        source = self._source(bench) if installs else None
        if installs and source is None:
            yield Check(name="a source edit leaves the install cached", ok=False, detail="there is no source to touch")
            return
        trace = self._touched_trace(bench, "touch-source", source) if source is not None else None
        for install in installs:
            if trace is not None and source is not None:
                yield _after_source(bench.version, install, trace, source)
            if install.reads:
                yield self._after_lockfile(bench, install)
        names = [name for change in plan.changes for name in change.volatile]
        if names:
            yield self._after_values(bench, names)

    def _source(self, bench: _Bench) -> Touch | None:
        version = bench.version
        options = self._options.build
        reach = find_reach(version.dockerfile, version.context, options.target, options.build_args)
        return choose_files(version.context, reach, touch_source_path=self._options.touch_source_path).source

    def _touched_trace(self, bench: _Bench, scenario: str, touch: Touch) -> BuildTrace:
        self._touched += 1
        files = touch.replacement(f"{self._nonce}-{self._touched}")
        return bench.trace(bench.build(scenario, replace_files=files))

    def _after_lockfile(self, bench: _Bench, install: Install) -> Check:
        name = f"an edit of {install.reads[0]} still runs {install.label}"
        touch = touch_of(bench.version, install.reads[0])
        line = bench.version.line_of(install)
        if touch is None or line is None:
            return Check(name=name, ok=False, detail="it cannot be edited harmlessly")
        self._say(f"rebuilding with {touch.path} touched")
        trace = self._touched_trace(bench, "touch-lockfile", touch)
        ran = any(step.line == line for step in missed_steps(trace.steps))
        where = f"line {line} of the patched file"
        detail = f"{where} {'ran again' if ran else 'was cached, which is wrong'}"
        if trace.failure is not None:
            ran = ran or trace.failure.line == line
            before = self._touched_trace(self._original, "touch-lockfile", touch)
            if not ran or before.failure is None:
                return Check(name=name, ok=False, detail=told(trace.failure))
            detail = f"{where} ran again; after this edit {told(trace.failure)}, and so does that of the original"
        return Check(name=name, ok=ran, detail=detail)

    def _after_values(self, bench: _Bench, names: Sequence[str]) -> Check:
        """Build with new values of the arguments that were moved."""
        self._say(f"rebuilding with other values of {', '.join(names)}")
        title = f"a new value of {', '.join(names)} leaves the installs cached"
        trace = self._trace_with_values(bench, names)
        declared = _declared_at(bench.version, names)
        steps = [step for step in missed_steps(trace.steps) if step.line is not None]
        wrong = [step.line for step in steps if any(first < (step.line or 0) < line for first, line in declared)]
        if wrong:
            return Check(name=title, ok=False, detail=f"line {wrong[0]} of the patched file ran again")
        detail = "nothing above the declaration ran again"
        if trace.failure is not None:
            if self._trace_with_values(self._original, names).failure is None:
                return Check(name=title, ok=False, detail=told(trace.failure))
            detail += f"; with such a value {told(trace.failure)}, and so does that of the original"
        return Check(name=title, ok=True, detail=detail)

    def _trace_with_values(self, bench: _Bench, names: Sequence[str]) -> BuildTrace:
        workshop, options = bench.workshop, bench.workshop.options
        values = dict.fromkeys(names, f"imgscan-{self._nonce}")
        workshop.options = replace(options, build_args={**options.build_args, **values})
        try:
            return bench.trace(bench.build("new-values"))
        finally:
            workshop.options = options

    def _time(self, plan: Plan, bench: _Bench) -> tuple[tuple[Comparison, ...], list[Check]]:
        """Both versions in turn, so that a machine that slows down slows both. A scenario of which a build fails has no
        seconds to compare: a check says so."""
        touches: dict[str, Touch | None] = {"touch-source": self._source(bench)}
        reads = [install.reads[0] for change in plan.changes for install in change.installs if install.reads]
        if reads:
            touches["touch-lockfile"] = touch_of(bench.version, reads[0])
        chosen = {name: touch for name, touch in touches.items() if touch is not None}
        traces: dict[str, tuple[list[BuildTrace], list[BuildTrace]]] = {name: ([], []) for name in chosen}
        failed: dict[str, Check] = {}
        for repeat in range(self._options.repeats):
            for name, touch in chosen.items():
                if name in failed:
                    continue
                self._say(f"timing {name}, {repeat + 1}/{self._options.repeats}")
                before, after = (self._touched_trace(side, name, touch) for side in (self._original, bench))
                failure = before.failure or after.failure
                if failure is not None:
                    failed[name] = _not_timed(touch.path, failure, in_original=before.failure is not None)
                    continue
                traces[name][0].append(before)
                traces[name][1].append(after)
        comparisons = tuple(
            _comparison(name, chosen[name].path, before, after)
            for name, (before, after) in traces.items()
            if name not in failed
        )
        return comparisons, list(failed.values())


def stands(checks: Sequence[Check]) -> bool:
    """Whether no check failed; one that could not be made is none that failed."""
    return all(check.ok is not False for check in checks)


def _not_timed(path: str, failure: BuildFailure, *, in_original: bool) -> Check:
    """An edit after which a build fails: it is the patch's fault only if the original builds."""
    where = "in the original" if in_original else "in the patched version"
    ok = None if in_original else False
    return Check(name=f"an edit of {path} can be timed", ok=ok, detail=f"{where} {told(failure)}")


def _comparison(name: str, touched: str, before: Sequence[BuildTrace], after: Sequence[BuildTrace]) -> Comparison:
    return Comparison(
        scenario=name,
        touched=touched,
        before_s=tuple(round(trace.seconds, 3) for trace in before),
        after_s=tuple(round(trace.seconds, 3) for trace in after),
        steps_run_before=len(missed_steps(before[-1].steps)),
        steps_run_after=len(missed_steps(after[-1].steps)),
        steps_total=_counted(after[-1]),
        steps_total_before=_counted(before[-1]),
    )


def _counted(trace: BuildTrace) -> int:
    return sum(1 for step in trace.steps if not is_from(step))


def _after_source(version: Version, install: Install, trace: BuildTrace, source: Touch) -> Check:
    name = f"an edit of {source.path} leaves {install.label} cached"
    line = version.line_of(install)
    if line is None:
        return Check(name=name, ok=False, detail="the install is not where it should be")
    if trace.failure is not None:
        return Check(name=name, ok=False, detail=told(trace.failure))
    ran = any(step.line == line for step in missed_steps(trace.steps))
    return Check(
        name=name, ok=not ran, detail=f"line {line} of the patched file {'ran again' if ran else 'was cached'}"
    )


def touch_of(version: Version, path: str) -> Touch | None:
    """The harmless edit of a manifest or lockfile; None where there is none."""
    base = posixpath.basename(path)
    is_lock = base in LOCKFILES or base.endswith((".txt", ".lock", ".json"))
    change = touch_lockfile if is_lock else touch_source
    try:
        content = read_context_file(version.context.root, path)
    except OSError:
        return None
    return Touch(path=path, content=content, change=change) if change(path, content, "0") is not None else None


def _declared_at(version: Version, names: Sequence[str]) -> list[tuple[int, int]]:
    """Where each argument is declared: the lines of its stage's FROM and of the ARG."""
    found: list[tuple[int, int]] = []
    for stage in version.dockerfile.stages:
        found += [
            (stage.commands[0].instruction.line, command.instruction.line)
            for command in stage.commands
            if command.keyword == "ARG" and any(word.partition("=")[0] in names for word in command.words)
        ]
    return found


def told(failure: BuildFailure) -> str:
    """A failed build in one line: the step, the engine's words, the last line of its log."""
    log = f" ({failure.log[-1].strip()})" if failure.log else ""
    return f"the build fails at {failure.step}: {failure.message}{log}"


def _listed(paths: Sequence[bytes]) -> tuple[str, ...]:
    from imgscan.escape import path_text

    return tuple("/" + path_text(path) for path in paths[:_MOST_LISTED])
