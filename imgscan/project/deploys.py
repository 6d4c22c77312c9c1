"""`pnpm deploy` in a form that this pnpm refuses: `tech-pnpm-deploy-mode`.

In: the project. Out: findings on the RUN. What which version does is from running it (pnpm 10.34, 11.28, 12.21).
"""

from __future__ import annotations

from collections.abc import Iterator
from typing import Final

from imgscan.detect.places import dockerfile_line
from imgscan.detect.stages.producers import located_commands, run_script
from imgscan.detect.stages.records import RunStep
from imgscan.detect.stages.stagesim import chain
from imgscan.lazyre import lazy_re
from imgscan.model import Evidence, Finding, Fix, Severity
from imgscan.project.manifests import Workspace
from imgscan.project.pnpmfacts import npmrc_of, pnpm_version, settings_of
from imgscan.project.sites import Project
from imgscan.rulebook import make_finding

_CONFIGURED: Final = lazy_re(r"inject-workspace-packages|injectWorkspacePackages|force-legacy-deploy|forceLegacyDeploy")
"""A step sets what decides it: what then holds is not known here."""
_LINKS_BACK: Final = ((11, 19), (11, 28))
"""From the first of these versions until before the second, deployed workspace packages were links to the sources."""


def detect_deploys(project: Project) -> Iterator[Finding]:
    """The findings, stage by stage."""
    workspace = next((w for w in project.workspaces if w.manager == "pnpm"), None)
    if workspace is None:
        return
    for view in project.simulation.stages:
        if view.stage.index not in project.simulation.needed:
            continue
        version = pnpm_version(project, view.stage.index, workspace.package)
        for run in view.runs if version is not None else ():
            for simple, _ in located_commands(run.command, run.cwd):
                words = simple.words
                if words and words[0].rpartition("/")[2].split("@")[0] == "pnpm" and "deploy" in words:
                    yield from _deploy(project, workspace, run, frozenset(words), version or ())


def _deploy(
    project: Project, workspace: Workspace, run: RunStep, words: frozenset[str], version: tuple[int, ...]
) -> Iterator[Finding]:
    if any(_CONFIGURED.search(run_script(other.command)) for other in _runs(project, run)):
        return
    settings, npmrc = settings_of(project, workspace), npmrc_of(project, workspace.root)
    injected = settings.get("injectWorkspacePackages") is True or npmrc.get("inject-workspace-packages") == "true"
    legacy = (
        "--legacy" in words
        or settings.get("forceLegacyDeploy") is True
        or npmrc.get("force-legacy-deploy") == "true"
        or run.scope.get("npm_config_force_legacy_deploy", run.scope.get("NPM_CONFIG_FORCE_LEGACY_DEPLOY")) == "true"
    )
    shared = settings.get("sharedWorkspaceLockfile") is not False and npmrc.get("shared-workspace-lockfile") != "false"
    if version[0] == 10 and shared and not (injected or legacy):
        yield _finding(
            run,
            f"`pnpm deploy` of pnpm 10 in line {run.command.instruction.line} ends with "
            "ERR_PNPM_DEPLOY_NONINJECTED_WORKSPACE.",
            f"Set `injectWorkspacePackages: true` in {workspace.file} and run `pnpm install` once, for the lockfile; "
            "or add --legacy, which resolves again over the network.",
        )
    elif version[0] == 10 and legacy and "--offline" in words:
        yield _finding(
            run,
            f"`pnpm deploy --legacy --offline` in line {run.command.instruction.line} ends with "
            "ERR_PNPM_NO_OFFLINE_META: the legacy form resolves again instead of using the lockfile.",
            f"Set `injectWorkspacePackages: true` in {workspace.file}, run `pnpm install` once, and drop --legacy.",
        )
    elif len(version) > 1 and _LINKS_BACK[0] <= version[:2] < _LINKS_BACK[1] and not (injected or legacy):
        yield _finding(
            run,
            f"pnpm {'.'.join(map(str, version))} may deploy workspace packages as links back to the sources, which "
            "dangle once the tree is copied out (pnpm/pnpm#13754).",
            'Take a later pnpm 11, or fail the step on a dangling link: `test -z "$(find /prod -xtype l -print)"`.',
            Severity.MEDIUM,
            Evidence.PATTERN,
        )


def _runs(project: Project, run: RunStep) -> Iterator[RunStep]:
    for stage in chain(project.simulation, run.command.instruction.stage):
        yield from project.simulation.stages[stage].runs


def _finding(
    run: RunStep, message: str, fix: str, severity: Severity | None = None, evidence: Evidence = Evidence.DERIVED
) -> Finding:
    return make_finding(
        "tech-pnpm-deploy-mode",
        message=message,
        location=dockerfile_line(run.command),
        evidence=evidence,
        identity=(run.command.instruction.file, message.partition(" in line")[0]),
        severity=severity,
        fix=Fix(text=fix),
    )
