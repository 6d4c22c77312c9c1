"""The image's configuration and base image (`config-…`).

In: the configuration, or the Dockerfile where no image was built, or both. Out: findings. Of environment variables only
the names are shown.
"""

from __future__ import annotations

import re
from collections.abc import Iterator, Mapping
from typing import TYPE_CHECKING, Final

from imgscan.detect.baseuser import sets_user
from imgscan.detect.places import dockerfile_line
from imgscan.detect.words import is_placeholder, is_secret_name
from imgscan.errors import InputError
from imgscan.lazyre import lazy_re
from imgscan.model import Confidence, Evidence, Finding, Fix, Location, Place, Severity, SourceLine
from imgscan.rulebook import make_finding

if TYPE_CHECKING:
    from imgscan.dockerfile.parse import Command, Dockerfile, Stage
    from imgscan.source import ImageConfig

_ROOT: Final = lazy_re(r"(?:|root|0+)(?::.*)?", re.ASCII)
_ARCHIVE: Final = lazy_re(r"\.(?:tar|tgz|tbz2?|txz|tzst|tar\.\w+)$", re.IGNORECASE)
_REMOTE: Final = lazy_re(r"(?:https?|ftp)://", re.IGNORECASE)
_GIT: Final = lazy_re(r"(?:git|ssh)://|git@|.*\.git(?:[#?].*)?$|(?:https?://)?github\.com/", re.IGNORECASE)


def detect(
    config: ImageConfig | None,
    dockerfile: Dockerfile | None = None,
    *,
    target: str | None = None,
    build_args: Mapping[str, str] | None = None,
) -> Iterator[Finding]:
    """The findings. Without `config` the Dockerfile decides what it would be; without both there is nothing to say.

    `config` needs `user`, `healthcheck` and `env` only. Raises InputError for a target that does not exist.
    """
    chain = _chain(dockerfile, target, build_args or {}) if dockerfile else []
    if config is not None:
        yield from _user(config.user, chain)
        yield from _healthcheck(config.healthcheck, chain)
        yield from _environment(config.env, chain)
    elif dockerfile is not None:
        yield from _user_of_dockerfile(dockerfile, chain, build_args or {})
    if dockerfile is not None:
        yield from _base_images(dockerfile, target, build_args or {})
        yield from _adds(dockerfile, target, build_args or {})


def healthcheck_line(dockerfile: Dockerfile, target: str | None, build_args: Mapping[str, str]) -> SourceLine | None:
    """The line of the health check that the target's image gets; None where its base image brings it."""
    command = _last(_chain(dockerfile, target, build_args), "HEALTHCHECK")
    return dockerfile_line(command).dockerfile if command is not None else None


def _chain(dockerfile: Dockerfile, target: str | None, build_args: Mapping[str, str]) -> list[Stage]:
    """The target's stage and those it is FROM, the target first."""
    from imgscan.dockerfile.stages import parent_stages, target_stage

    parents = parent_stages(dockerfile, build_args)
    stages: list[Stage] = []
    at: Stage | None = target_stage(dockerfile, target)
    while at is not None:
        stages.append(at)
        at = parents[at.index]
    return stages


def _last(chain: list[Stage], keyword: str) -> Command | None:
    return next((c for stage in chain for c in reversed(stage.commands) if c.keyword == keyword), None)


def _user_of_dockerfile(dockerfile: Dockerfile, chain: list[Stage], build_args: Mapping[str, str]) -> Iterator[Finding]:
    """What no image was asked for. Without a USER the base image decides, and a public one may be known to set one."""
    command = _last(chain, "USER")
    if command is not None:
        yield from _user(command.value.strip().strip("\"'"), chain)
        return
    base = _base(dockerfile, chain[-1], build_args)
    sets = sets_user(base) if base else None
    if sets:
        return
    why = (
        f"no USER is set, and none by {base}:"
        if sets is False
        else f"no USER is set: unless {base or 'its base'} does,"
    )
    yield make_finding(
        "config-root-user",
        message=f"{why} the container's process is root.",
        location=_user_place(chain),
        evidence=Evidence.PATTERN,
        identity=("user",),
        severity=None if sets is False else Severity.LOW,
        confidence=Confidence.MEDIUM if sets is False else Confidence.LOW,
    )


def _base(dockerfile: Dockerfile, stage: Stage, build_args: Mapping[str, str]) -> str | None:
    from imgscan.dockerfile.stages import base_image

    try:
        return base_image(dockerfile, stage, build_args)
    except InputError:
        return None


def _user(user: str, chain: list[Stage]) -> Iterator[Finding]:
    if "$" in user or not _ROOT.fullmatch(user.strip()):
        return
    why = f"the configured user is {user.strip()}" if user.strip() else "no USER is set"
    yield make_finding(
        "config-root-user",
        message=f"{why}, so the container's process is root.",
        location=_user_place(chain),
        evidence=Evidence.OBSERVED,
        identity=("user",),
    )


def _user_place(chain: list[Stage]) -> Location:
    command = _last(chain, "USER") or (chain[0].commands[0] if chain else None)
    line = dockerfile_line(command).dockerfile if command else None
    return Location(place=Place.CONFIG, path="User", dockerfile=line)


def _healthcheck(healthcheck: tuple[str, ...] | None, chain: list[Stage]) -> Iterator[Finding]:
    off = healthcheck is not None and healthcheck[:1] == ("NONE",)
    if healthcheck and not off:
        return
    command = _last(chain, "HEALTHCHECK") or (chain[0].commands[0] if chain else None)
    yield make_finding(
        "config-no-healthcheck",
        message="the health check is switched off." if off else "the image has no HEALTHCHECK.",
        location=Location(
            place=Place.CONFIG, path="Healthcheck", dockerfile=dockerfile_line(command).dockerfile if command else None
        ),
        evidence=Evidence.ABSENT,
        identity=("healthcheck",),
    )


def _environment(env: tuple[str, ...], chain: list[Stage]) -> Iterator[Finding]:
    for entry in env:
        name, _, value = entry.partition("=")
        if not is_secret_name(name) or is_placeholder(value):
            continue
        line = _set_by(name, chain)
        yield make_finding(
            "config-secret-in-env-name",
            message=f"the image's environment holds {name}, with a value.",
            location=Location(place=Place.ENV, path=name, dockerfile=line),
            evidence=Evidence.OBSERVED,
            identity=(name,),
            # What no line sets came with the base image: its maintainers may mean something else by the name.
            severity=Severity.MEDIUM if chain and line is None else None,
        )


def _set_by(name: str, chain: list[Stage]) -> SourceLine | None:
    for stage in chain:
        for command in reversed(stage.commands):
            if command.keyword == "ENV" and any(word.partition("=")[0] == name for word in command.words):
                return dockerfile_line(command).dockerfile
    return None


def _base_images(dockerfile: Dockerfile, target: str | None, build_args: Mapping[str, str]) -> Iterator[Finding]:
    from imgscan.dockerfile.stages import copied_sources, needed_stages, parent_stages

    parents = parent_stages(dockerfile, build_args)
    needed = needed_stages(dockerfile, target, build_args)
    for stage in dockerfile.stages:
        if stage.index not in needed or parents[stage.index] is not None:
            continue
        base = _base(dockerfile, stage, build_args)
        if base is not None and base != "scratch":
            yield from _unpinned(dockerfile, stage.commands[0], base)
    names = {stage.name for stage in dockerfile.stages}
    for stage in dockerfile.stages:
        for command in stage.commands if stage.index in needed else ():
            for source, _ in copied_sources((command,)):
                if source.lower() not in names and not source.isdigit() and "$" not in source:
                    yield from _unpinned(dockerfile, command, source)


def _unpinned(dockerfile: Dockerfile, command: Command, image: str) -> Iterator[Finding]:
    tag = _tag(image)
    if not image or "@" in image or (tag is not None and tag != "latest"):
        return
    # A single word may also be a context of the builder's own (--build-context, additional_contexts).
    word = command.keyword != "FROM" and tag is None and "/" not in image
    yield make_finding(
        "config-latest-base",
        message=f"{image} {'is whatever was pushed last' if tag else 'has no tag, which means latest'}.",
        location=dockerfile_line(command),
        evidence=Evidence.PATTERN,
        identity=(dockerfile.file, image),
        confidence=Confidence.MEDIUM if word else None,
    )


def _tag(ref: str) -> str | None:
    """The tag of an image reference; a colon before the last slash is a port."""
    name = ref.rpartition("/")[2]
    return name.partition(":")[2] or None if ":" in name else None


def _adds(dockerfile: Dockerfile, target: str | None, build_args: Mapping[str, str]) -> Iterator[Finding]:
    from imgscan.dockerfile.stages import needed_stages

    needed = needed_stages(dockerfile, target, build_args)
    for stage in dockerfile.stages:
        for command in stage.commands if stage.index in needed else ():
            if command.keyword == "ADD" and not command.heredocs:
                yield from _add(command)


def _add(command: Command) -> Iterator[Finding]:
    """What unpacks a local archive or clones a repository is what ADD is for; an archive from a URL is not unpacked."""
    flags, line = dict(command.flags), command.instruction.line
    sources = [source for source in command.words[:-1] if not _GIT.match(source)]
    remote = any(_REMOTE.match(source) for source in sources)
    unpacked = "unpack" in flags or any("$" in source or _ARCHIVE.search(source) for source in sources)
    if not sources or (remote and "checksum" in flags) or (unpacked and not remote):
        return
    if remote:
        message = f"line {line} fetches a URL without a checksum: the build takes whatever the server sends."
        fix = f"Give line {line} a `--checksum=sha256:…`, or fetch, verify and unpack in one RUN."
    else:
        message = f"line {line} uses ADD for plain files."
        fix = f"Write COPY in line {line}."
    yield make_finding(
        "config-add-instead-of-copy",
        message=message,
        location=dockerfile_line(command),
        evidence=Evidence.PATTERN,
        identity=(command.instruction.file, *sources),
        fix=Fix(text=fix),
    )
