"""One build from request to trace, and everything that builds of one run leave in the engine, to be removed.

`Workshop` is the only thing here with state: it remembers tags, containers, images and cache records of its run, by
names and times that are its own, so that removing them never touches what is somebody else's.
"""

from __future__ import annotations

import time
from collections.abc import Callable, Mapping
from contextlib import closing
from dataclasses import dataclass, field
from dataclasses import replace as replace_fields
from typing import TYPE_CHECKING, Final

from imgscan.build.failure import make_failure
from imgscan.build.lines import BuildSettings, make_steps
from imgscan.build.request import Builder, BuildOptions, BuildRequest, request_params
from imgscan.build.steps import Clean, Outcome, RawStep, StepEvent, StreamParser, seconds_of
from imgscan.build.stream import read_stream
from imgscan.build.wire import BuildStream, RefusedBuild
from imgscan.dockerfile.context import BuildContext, context_tar
from imgscan.dockerfile.parse import Dockerfile
from imgscan.errors import InputError
from imgscan.frozen import frozen
from imgscan.model import BuildTrace

if TYPE_CHECKING:
    from imgscan.engine import Engine

TAG_PREFIX: Final = "imgscan-"

OnEvent = Callable[[StepEvent], None]


@frozen
class Made:
    """What one build made: the trace for the report, raw steps and parser (None: refused) for cleaning up."""

    tag: str
    trace: BuildTrace
    raw: tuple[RawStep, ...]
    parser: StreamParser | None


@dataclass(slots=True, kw_only=True)
class Workshop:
    """Builds of one run. `run_id` is in every name it gives; `isolated`: see `BuildRequest`; `clean` takes secrets out
    of texts; `clock` counts seconds.

    `made` lists the finished builds; `parsers` are those of all builds, interrupted ones too, and `throwaways` those of
    builds whose cache nobody will want; closing what is in `open_streams` ends the build that runs. `unheard`: one was
    asked for, and the engine has not said a word on it yet.
    """

    engine: Engine
    context: BuildContext
    dockerfile: Dockerfile | None
    options: BuildOptions
    run_id: str
    isolated: bool = False
    clean: Clean = str
    clock: Callable[[], float] = time.perf_counter
    made: list[Made] = field(default_factory=list)
    parsers: list[StreamParser] = field(default_factory=list)
    throwaways: list[StreamParser] = field(default_factory=list)
    open_streams: list[BuildStream] = field(default_factory=list)
    unheard: bool = False

    @property
    def repository(self) -> str:
        """The repository part of every tag of this run."""
        return f"{TAG_PREFIX}{self.run_id}"

    def build(
        self,
        name: str,
        *,
        replace: Mapping[str, bytes] | None = None,
        build_args: Mapping[str, str] | None = None,
        no_cache: bool = False,
        again: bool = False,
        throwaway: bool = False,
        on_event: OnEvent = lambda event: None,
    ) -> Made:
        """Build once and tag the result `<repository>:<name>`; a failing build gives a trace with a failure.

        `replace` gives files of the context other contents, `build_args` arguments other values; `no_cache` and
        `again`: see `BuildRequest`; `throwaway`: nobody will want the cache of this build.
        Raises EngineError when the engine goes away; an interrupt cancels the build.
        """
        request = BuildRequest(
            options=replace_fields(self.options, build_args={**self.options.build_args, **(build_args or {})}),
            dockerfile=self.context.dockerfile,
            tag=f"{self.repository}:{name}",
            build_id=f"{self.repository}-{name}",
            namespace=self.repository,
            no_cache=no_cache,
            isolated=self.isolated,
            again=again,
        )
        started = self.clock()
        epoch = time.time() - started
        parser: StreamParser | None = None
        try:
            parser = self._run(
                request,
                replace,
                on_event=on_event,
                on_parser=lambda parser: self._remember(parser, throwaway=throwaway),
                now_s=lambda: epoch + self.clock(),
            )
            outcome, raw = parser.outcome, parser.steps()
        except RefusedBuild as refusal:
            self.unheard = False
            outcome, raw = Outcome(error=refusal.cause), ()
        seconds = self.clock() - started
        trace = self._trace(request, outcome, raw, seconds)
        made = Made(tag=request.tag, trace=trace, raw=raw, parser=parser)
        self.made.append(made)
        return made

    def unfinished(self) -> list[StreamParser]:
        """The parsers of builds that were cut off."""
        finished = {id(made.parser) for made in self.made}
        return [parser for parser in self.parsers if id(parser) not in finished]

    def remove(self, made: Made) -> None:
        """Remove a build's image, not what the next build may take from the cache."""
        if made.trace.image_id is not None:
            self.engine.remove_image(made.tag, prune_parents=self.options.builder is Builder.BUILDKIT)

    def _run(
        self,
        request: BuildRequest,
        replace: Mapping[str, bytes] | None,
        *,
        on_event: OnEvent,
        on_parser: Callable[[StreamParser], None],
        now_s: Callable[[], float],
    ) -> StreamParser:
        pulls = self.options.builder is not Builder.BUILDKIT
        headers = self.engine.registry_headers() if pulls else {}
        body = context_tar(self.context, replace)
        self.unheard = True
        with closing(self.engine.build(body, request_params(request), headers)) as records:
            self.open_streams[:] = [records]
            return read_stream(
                records,
                expected=self.options.builder,
                clock=now_s,
                on_event=lambda event: on_event(self._cleaned(event)),
                on_parser=on_parser,
            )

    def _remember(self, parser: StreamParser, *, throwaway: bool) -> None:
        self.unheard = False
        self.parsers.append(parser)
        if throwaway:
            self.throwaways.append(parser)

    def _cleaned(self, event: StepEvent) -> StepEvent:
        return StepEvent(label=self.clean(event.label), state=event.state, user=event.user)

    def _trace(self, request: BuildRequest, outcome: Outcome, raw: tuple[RawStep, ...], seconds: float) -> BuildTrace:
        settings = BuildSettings(target=self.options.target, build_args=request.options.build_args)
        steps = make_steps(
            self.options.builder, raw, self.dockerfile, settings, self.clean, failed=outcome.error is not None
        )
        failure = None
        image_id = None
        if outcome.error is None:
            image_id = self._image_id(request.tag)
            if image_id is None:
                outcome = Outcome(error="the engine ended the build without an image and without an error")
        if outcome.error is not None:
            failure = make_failure(outcome, raw, steps, self.dockerfile, settings, self.clean)
        return BuildTrace(
            builder=self.options.builder,
            steps=steps,
            seconds=seconds,
            image_id=image_id,
            failure=failure,
            warnings=tuple(self.clean(warning) for warning in outcome.warnings),
            export_s=round(seconds_of(outcome.export_intervals), 6) if outcome.export_intervals else None,
        )

    def _image_id(self, tag: str) -> str | None:
        try:
            return str(self.engine.inspect_image(tag).get("Id") or "") or None
        except InputError:
            return None
