"""The images of the scratch project: built from the copy by the project's own Dockerfiles, or those that are there.

In: a service as compose resolved it. Out: the name of an image. Base images are substituted as the user asked; nothing
is pulled by name, so that nothing stays.
"""

from __future__ import annotations

from collections.abc import Mapping
from contextlib import ExitStack
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import TYPE_CHECKING, Any

from imgscan.build.builder import Made, Workshop
from imgscan.build.cleanup import tidied
from imgscan.build.request import BuildOptions, choose_builder
from imgscan.dockerfile.context import read_context
from imgscan.dockerfile.parse import parse
from imgscan.dockerfile.substitute import substitute_bases
from imgscan.errors import ImgscanError, InputError
from imgscan.verify.projectcopy import inside

if TYPE_CHECKING:
    from imgscan.engine import Engine

_UNSUPPORTED = ("additional_contexts", "secrets", "ssh", "entitlements", "isolation", "privileged")


class NoImageError(Exception):
    """A service's image is not to be had here; `failed`: its build was tried and failed."""

    def __init__(self, text: str, *, failed: bool = False) -> None:
        super().__init__(text)
        self.failed = failed


@dataclass(slots=True, kw_only=True)
class ImageMaker:
    """Images of one run. `stack` ends with the run and takes them away; `run_id` is in every name; `bases` are the
    user's substitutions, `network` that of RUN steps."""

    engine: Engine
    stack: ExitStack
    run_id: str
    work: Path
    bases: Mapping[str, str]
    network: str | None = None
    built: dict[str, Made] = field(default_factory=dict)
    used: list[str] = field(default_factory=list)

    def image_of(self, name: str, service: Mapping[str, Any], copy: Path) -> str:
        """The image of a service: built, or there already. Raises NoImageError, EngineError."""
        build = service.get("build")
        if isinstance(build, dict):
            self.used.append(self.build(name, build, copy).tag)
            return self.used[-1]
        wanted = str(service.get("image") or "")
        image = self.bases.get(wanted, wanted)
        try:
            self.engine.inspect_image(image)
        except InputError as error:
            raise NoImageError(
                f"{name}: the image {image} is not on the engine (docker pull {image}, or --base-image {wanted}=OTHER)"
            ) from error
        self.used.append(image)
        return image

    def build(
        self, name: str, build: Mapping[str, Any], copy: Path, *, throwaway: bool = False, suffix: str = ""
    ) -> Made:
        """Build a service's image from the copy. Raises NoImageError, EngineError."""
        asked = [key for key in _UNSUPPORTED if build.get(key)]
        if asked:
            raise NoImageError(f"{name}: its build needs {asked[0]}, which is not passed on here")
        folder = inside(copy, str(build.get("context") or ""))
        if folder is None:
            raise NoImageError(f"{name}: its build context is outside of the project")
        workshop = self._workshop(folder, build, name)
        tag = "".join(char if char.isalnum() else "-" for char in name.lower()).strip("-") or "x"
        made = workshop.build(f"{tag}{suffix}", throwaway=throwaway)
        failure = made.trace.failure
        if failure is not None:
            raise NoImageError(f"{name} does not build: {failure.step}: {failure.message}", failed=True)
        self.built[name] = made
        return made

    def _workshop(self, folder: Path, build: Mapping[str, Any], name: str) -> Workshop:
        try:
            context = read_context(folder, self._dockerfile(folder, build, name))
        except ImgscanError as error:
            raise NoImageError(f"{name}: {error.what}") from error
        args = {str(key): str(value) for key, value in (build.get("args") or {}).items() if value is not None}
        parsed = parse(context.dockerfile_text, context.dockerfile)
        if self.bases:
            text = substitute_bases(parsed, self.bases, args).encode("utf-8", "surrogateescape")
            context = replace(context, dockerfile_text=text)
            parsed = parse(text, context.dockerfile)
        options = BuildOptions(
            builder=choose_builder("auto", self.engine.info.kind),
            target=build.get("target") or None,
            build_args=args,
            network=self.network or build.get("network") or None,
            platform=None,
        )
        workshop = Workshop(engine=self.engine, context=context, dockerfile=parsed, options=options, run_id=self.run_id)
        return self.stack.enter_context(tidied(workshop))

    def _dockerfile(self, folder: Path, build: Mapping[str, Any], name: str) -> Path:
        inline = build.get("dockerfile_inline")
        if isinstance(inline, str):
            file = self.work / f"{len(self.built)}.Dockerfile"
            file.write_text(inline, encoding="utf-8")
            return file
        wanted = folder / str(build.get("dockerfile") or "Dockerfile")
        if not wanted.is_file():
            raise NoImageError(f"{name}: there is no {wanted.name}", failed=True)
        return wanted
