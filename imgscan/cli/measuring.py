"""What the commands that measure rebuilds share: options in, a plan out; a measurement in, the report's build section
out."""

from __future__ import annotations

from collections.abc import Mapping
from typing import TYPE_CHECKING, Any

from imgscan.assess import Project
from imgscan.build.measure import Measured, MeasurePlan
from imgscan.build.reach import Reach
from imgscan.build.request import BuildOptions, choose_builder
from imgscan.build.scenarios import Choice, Wishes, choose_touches, pick_scenarios
from imgscan.model import BuildFailure, BuildInfo

if TYPE_CHECKING:
    from imgscan.engine import Engine
    from imgscan.enginerecords import EngineInfo


def make_plan(
    project: Project,
    params: Mapping[str, Any],
    engine: Engine,
    reach: Reach,
    scenarios: tuple[str, ...] | None = None,
) -> MeasurePlan:
    """What to build and to touch; `scenarios` in place of those of the options. Raises InputError for a builder the
    engine has not, a file that is not there, an ARG that is not declared."""
    wanted = pick_scenarios(params["scenarios"]) if scenarios is None else scenarios
    options = BuildOptions(
        builder=choose_builder(params["builder"], engine.info.kind),
        target=project.target,
        build_args=project.build_args,
        network=params["network"],
        platform=params["platform"],
    )
    return MeasurePlan(
        context=project.context,
        dockerfile=project.dockerfile,
        options=options,
        choice=make_choice(project, params, reach, wanted),
        repeats=params["repeats"],
        scenarios=wanted,
    )


def make_choice(project: Project, params: Mapping[str, Any], reach: Reach, scenarios: tuple[str, ...]) -> Choice:
    """What the scenarios touch, as the options have it. Raises InputError for what is not there."""
    wishes = Wishes(
        scenarios=scenarios,
        source=params["touch_source"],
        lockfile=params["touch_lockfile"],
        argument=params["touch_arg"],
    )
    return choose_touches(project.context, project.dockerfile, reach, wishes)


def build_info(measured: Measured, info: EngineInfo, failure: BuildFailure | None) -> BuildInfo:
    """The report's build section. What was left out is among its warnings."""
    left_out = tuple(f"{item.where} was not measured: {item.reason}" for item in measured.skipped)
    return BuildInfo(
        builder=measured.cold.builder,
        engine=f"{info.kind} {info.version}",
        store=info.store,
        cpus=info.cpus,
        scenarios=measured.timings,
        failure=failure,
        warnings=(*measured.warnings, *left_out),
    )
