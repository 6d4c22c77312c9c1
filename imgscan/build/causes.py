"""Words of engines and package managers -> what went wrong and what to do, for failures seen again and again. Pure.

The first cause of the table whose pattern is found counts, so the specific ones come first.
"""

from __future__ import annotations

import re
from typing import Final

from imgscan.frozen import frozen


@frozen
class Cause:
    """One known cause: `message`, `log`, `step` are patterns of the engine's message, the step's output, the failing
    instruction; all that are given must be found. `why` may use the named groups of the first that has them."""

    why: str
    message: str = ""
    log: str = ""
    step: str = ""


_FROM_IMAGE: Final = r"^(?:FROM|# syntax=)\s*(?P<image>\S+)?"
# How engines say that a source of COPY is not there: BuildKit's key, its copier (with the path of the stage's mount on
# the engine's disk before it), the classic builder, Podman.
_MISSING: Final = (
    r'"(?P<path>[^"]+)":? not found'
    r"|l?stat (?:\S*/(?:merged|[0-9a-f]{64}|build))?(?P<copied>[^:\s]+): (?:no such file|file does not exist)"
    r'|copier: stat: "(?P<podman>[^"]+)": no such file'
    r"|no source files were specified|Rel: can't make\s+relative to"
)

CAUSES: Final = (
    Cause(
        message=r"no space left on device|disk quota exceeded",
        why="the engine's disk is full: free some (docker system df shows what uses it), then build again",
    ),
    Cause(
        log=r"no space left on device|ENOSPC",
        why="the engine's disk is full: free some (docker system df shows what uses it), then build again",
    ),
    Cause(
        message=r"no active sessions?|no active session for",
        step=r"--mount=type=ssh",
        why="the step needs an SSH agent (--mount=type=ssh), which only a build through docker buildx can give it",
    ),
    Cause(
        message=r"no active sessions?|no active session for",
        why="the step needs a secret (--mount=type=secret), which only a build through docker buildx can give it",
    ),
    Cause(
        message=r"Unknown flag: (?P<flag>link|parents|exclude|checksum|keep-git-dir|start-interval)",
        why="the engine's built-in Dockerfile frontend is too old for --{flag}: put `# "
        "syntax=docker/dockerfile:1` in the first line (the engine then pulls a newer one), or leave the "
        "flag out",
    ),
    Cause(
        message=r"the --mount option requires BuildKit|unknown flag: mount",
        why="RUN --mount needs BuildKit: build with --builder buildkit",
    ),
    Cause(
        message=r"parse error (?:on )?line \d+: unknown instruction: (?P<word>\S+)"
        r"|Unknown instruction: \"(?P<named>[^\"]+)\"",
        why="{word} is no instruction. If it is a line of a heredoc (<<EOF), the engine's built-in frontend is "
        "too old for heredocs: put `# syntax=docker/dockerfile:1` in the first line, or write the lines with "
        "&& and backslashes",
    ),
    Cause(
        message=r"dockerfile parse error",
        why="the Dockerfile cannot be read at that line",
    ),
    Cause(
        message=r"target stage (?P<target>\S+) could not be found|failed to reach build target (?P<old>\S+)",
        why="the Dockerfile has no stage of the name given with --target",
    ),
    Cause(
        step=r"^# syntax=",
        message=r"dial tcp|no such host|failed to do request|i/o timeout|connection refused|TLS|x509",
        why="the `# syntax` line makes the engine pull a frontend and no registry is reachable: remove the line if the"
        " Dockerfile uses nothing new, or let the engine reach the registry",
    ),
    Cause(
        step=_FROM_IMAGE,
        message=r"dial tcp|no such host|failed to do request|i/o timeout|connection refused|TLS handshake|x509"
        r"|Client\.Timeout",
        why="the base image is not in the engine and its registry cannot be reached from the engine: `docker "
        "pull {image}` where there is a network, or name another one with --build-arg if the FROM takes an "
        "ARG",
    ),
    Cause(
        step=_FROM_IMAGE,
        message=r"authorization failed|unauthorized|denied|insufficient_scope|401|403",
        why="the registry does not give the base image away without a login, or it does not exist: `docker login`, then"
        " `docker pull {image}`; the build then takes it from the engine",
    ),
    Cause(
        step=_FROM_IMAGE,
        message=r"not found|manifest unknown|does not exist|no match for platform",
        why="the base image {image} does not exist in its registry under that name, tag or platform: check the "
        "spelling, then `docker pull {image}`",
    ),
    Cause(
        step=_FROM_IMAGE,
        message=r"pull access denied|repository does not exist",
        why="the base image is neither in the engine nor in a registry that gives it away: `docker pull` it, or name"
        " another one with --build-arg if the FROM takes an ARG",
    ),
    Cause(
        message=r"toomanyrequests|429 Too Many Requests",
        why="the registry's rate limit is used up: `docker login`, or pull the base image from a mirror first",
    ),
    Cause(
        step=r"^COPY\b.*--from=(?P<stage>\S+)",
        message=_MISSING,
        why="{path} is not in stage {stage}: no instruction there makes or copies it (look for another output "
        "folder, or a build step that was skipped)",
    ),
    Cause(
        step=r"^(?:COPY|ADD)\b",
        message=_MISSING,
        why="{relative} is not in the build context: it does not exist there, or .dockerignore leaves it out (paths "
        "are relative to the context, not to the Dockerfile)",
    ),
    Cause(
        step=r"^ADD\b",
        message=r"dial tcp|no such host|i/o timeout|connection refused|TLS|x509|status code",
        why="the engine cannot fetch what this ADD names: see whether the address is right, and whether the "
        "engine's machine can reach it",
    ),
    Cause(
        message=r"(?:COPY|ADD|RUN) only supports the --",
        why="this builder does not know that flag of the instruction: leave it out, or build with BuildKit",
    ),
    Cause(
        message=r"failed to compute cache key: .*\"(?P<path>[^\"]+)\":? not found",
        why="{path} is neither in the build context nor in the stage it is taken from",
    ),
    Cause(
        message=r"failed to read dockerfile|Cannot locate specified Dockerfile",
        why="the engine did not find the Dockerfile in what it was sent",
    ),
    Cause(
        log=r"corepack: (?:command )?not found|exec: \"corepack\"",
        why="the base image has no corepack (Node 25 and later come without it): `npm install --global "
        "pnpm@<version>`, or take an image that has it",
    ),
    Cause(
        log=r"Cannot find matching keyid|Internal Error: .*corepack|Error when performing the request to",
        step=r"corepack|pnpm|yarn",
        why="corepack could not fetch or verify the package manager: it needs the network at this step, and a "
        "corepack new enough to know the registry's keys; pin the manager with `npm install --global` instead",
    ),
    Cause(
        log=r"ERR_PNPM_OUTDATED_LOCKFILE|pnpm-lock\.yaml is not up to date",
        why="pnpm-lock.yaml does not fit the package.json files that this step sees: run `pnpm install` and commit the"
        " lockfile, or copy every workspace member's package.json before the install",
    ),
    Cause(
        log=r"ERR_PNPM_NO_LOCKFILE",
        why="pnpm-lock.yaml does not reach this step: copy it before the install, and see that .dockerignore "
        "lets it in",
    ),
    Cause(
        log=r"ERR_PNPM_LOCKFILE_CONFIG_MISMATCH",
        why="settings that the lockfile was made with (overrides, patches, pnpm-workspace.yaml, .npmrc) do not "
        "reach this step: copy those files before the install",
    ),
    Cause(
        log=r"ERR_PNPM_(?:LOCKFILE_MISSING_DEPENDENCY|BROKEN_LOCKFILE|FROZEN_LOCKFILE_WITH_OUTDATED_LOCKFILE)",
        why="pnpm-lock.yaml is broken or older than the manifests: run `pnpm install` and commit it",
    ),
    Cause(
        log=r"ERR_PNPM_NO_OFFLINE_(?:META|TARBALL)",
        why="pnpm works offline here but the store lacks a package: `pnpm fetch` must come before, with the same "
        "lockfile and the same store directory",
    ),
    Cause(
        log=r"ERR_PNPM_WORKSPACE_PKG_NOT_FOUND|No projects matched the filters|None of the projects matched",
        why="the workspace's packages are not there at this step: copy pnpm-workspace.yaml and every member's "
        "package.json before it",
    ),
    Cause(
        log=r"npm (?:ERR!|error).*(?:can only install (?:packages )?(?:when|with) your|in sync)|EUSAGE",
        why="package-lock.json does not fit package.json, or does not reach this step: run `npm install`, commit the"
        " lockfile, copy both before `npm ci`",
    ),
    Cause(
        log=r"Your lockfile needs to be updated|The lockfile would have been (?:modified|created)|YN0028",
        why="yarn.lock does not fit the manifests that this step sees: run `yarn install` and commit it, and copy every"
        " workspace's package.json before the install",
    ),
    Cause(
        log=r"lockfile had changes, but lockfile is frozen",
        why="the bun lockfile does not fit package.json: run `bun install` and commit it",
    ),
    Cause(
        log=r"pyproject\.toml changed significantly since poetry\.lock|poetry\.lock is not up to date",
        why="poetry.lock does not fit pyproject.toml: run `poetry lock` and commit it",
    ),
    Cause(
        log=r"The lockfile at `?uv\.lock`? needs to be updated|Unable to find lockfile at `?uv\.lock",
        why="uv.lock is missing or does not fit pyproject.toml: run `uv lock`, commit it, copy it before `uv sync`",
    ),
    Cause(
        log=r"the lock file .*Cargo\.lock needs to be updated",
        why="Cargo.lock does not fit Cargo.toml: run `cargo update --workspace` or `cargo check`, and commit it",
    ),
    Cause(
        log=r"missing go\.sum entry|updates to go\.mod needed",
        why="go.sum does not fit go.mod: run `go mod tidy`, commit both, copy both before `go mod download`",
    ),
    Cause(
        log=r"self[- ]signed certificate|unable to get (?:local )?issuer certificate|SELF_SIGNED_CERT"
        r"|UNABLE_TO_GET_ISSUER|CERTIFICATE_VERIFY_FAILED|x509: certificate signed by unknown authority"
        r"|certificate verify failed",
        why="the step meets a TLS certificate whose issuer it does not know (a company proxy, usually): bring "
        "the issuer's certificate into the base image, and NODE_EXTRA_CA_CERTS or the like if the tool has "
        "its own list",
    ),
    Cause(
        log=r"EAI_AGAIN|ENOTFOUND|Temporary failure (?:in name resolution|resolving)|Could not resolve host"
        r"|Name or service not known|bad address|dial tcp: lookup|Failed to resolve|NewConnectionError"
        r"|Name does not resolve",
        why="the step has no network, or no name resolution: try --network host, or set the engine's DNS",
    ),
    Cause(
        log=r"ETIMEDOUT|ECONNREFUSED|ECONNRESET|Connection timed out|Network is unreachable|network unreachable"
        r"|Could not connect to|i/o timeout",
        why="the step could not reach a server it needs: try --network host, or give it the proxy with --build-arg"
        " HTTPS_PROXY",
    ),
    Cause(
        log=r"tsc: (?:command )?not found|Command \"tsc\" not found|sh: 1: tsc: not found",
        why="TypeScript is a development dependency and was not installed: install with development dependencies in the"
        " build stage (no --prod, no --omit=dev, no NODE_ENV=production before it)",
    ),
    Cause(
        log=r"TS2307: Cannot find module '(?P<module>[^']+)'",
        why="TypeScript does not find {module}: its package was not installed or not built in this stage (in a "
        "workspace: copy and build the packages it depends on first)",
    ),
    Cause(
        log=r"ERR_MODULE_NOT_FOUND|Cannot find (?:module|package) '(?P<module>[^']+)'",
        why="Node does not find a module that this step imports: it was not installed or not copied into this stage",
    ),
    Cause(
        log=r"Could not find a version that satisfies the requirement (?P<package>\S+)"
        r"|No matching distribution found for",
        why="pip finds no version of a package for this Python and platform: check the pinned version, the "
        "Python of the base image, and whether the index can be reached",
    ),
    Cause(
        log=r"No such file or directory: '(?P<path>[^']*requirements[^']*)'|Could not open requirements file",
        why="the requirements file is not there at this step: copy it before the install",
    ),
    Cause(
        log=r"Unable to locate package (?P<package>\S+)|has no installation candidate|unable to select packages",
        why="the package index of the image does not have that package: run the index update in the same RUN, "
        "and check the name for this distribution",
    ),
    Cause(
        log=r"exec format error",
        why="the base image is for another processor: give --platform, or take an image for this one",
    ),
    Cause(
        message=r"exit code: 137|returned a non-zero code: 137|exit status 137",
        why="the step was killed, most likely because the engine ran out of memory: give it more, or build with less"
        " parallelism",
    ),
    Cause(
        message=r"exit code: 127|returned a non-zero code: 127|exit status 127",
        log=r"(?:^|: )(?P<program>[\w./-]+): (?:command )?not found",
        why="the program {program} is not in this stage's image: install it, or copy it in, before this step",
    ),
)
_COMPILED: Final = tuple(
    (
        cause,
        tuple(re.compile(pattern, re.IGNORECASE | re.MULTILINE) for pattern in (cause.message, cause.log, cause.step)),
    )
    for cause in CAUSES
)


def find_cause(message: str, log: str, step: str) -> str | None:
    """Why the build failed, in a sentence for the user; None when nothing in the table fits."""
    for cause, patterns in _COMPILED:
        found = [pattern.search(text) for pattern, text in zip(patterns, (message, log, step), strict=True)]
        if all(found):
            return _fill(cause.why, found)
    return None


def _fill(why: str, found: list[re.Match[str] | None]) -> str:
    """`why` with its placeholders replaced by what the patterns' groups matched."""
    groups = {name: value for match in found if match for name, value in match.groupdict().items() if value}
    groups.setdefault("path", groups.get("copied") or groups.get("podman") or "a file it names")
    groups.setdefault("relative", groups["path"].lstrip("/"))
    groups.setdefault("word", groups.get("named", "that"))
    return re.sub(r"\{(\w+)\}", lambda hole: groups.get(hole[1], "what it needs"), why)
