"""The images a Dockerfile builds on, by the `dockerfile-parse` package, given only what it reads right.

That package takes heredoc bodies for instructions, keeps a byte order mark, ends an instruction at a blank continuation
line and does not know `${X:-y}`. So it is handed a text made for it: the FROM lines alone, one line each, without
flags, and the values of the variables. A FROM with more than `$X` and `${X}` in it is left to `base_image`.
"""

from __future__ import annotations

from collections.abc import Mapping
from io import BytesIO
from typing import Final

from imgscan.dockerfile.stages import base_image, global_scope, parent_stages
from imgscan.dockerfile.tree import Dockerfile
from imgscan.errors import InputError
from imgscan.lazyre import lazy_re

_PLAIN: Final = lazy_re(r"(?:[A-Za-z0-9_.:/@-]|\$[A-Za-z_][A-Za-z0-9_]*|\$\{[A-Za-z_][A-Za-z0-9_]*\})+\Z")
_NAME: Final = lazy_re(r"[A-Za-z_][A-Za-z0-9_]*\Z")


def parent_images(dockerfile: Dockerfile, build_args: Mapping[str, str]) -> tuple[str, ...]:
    """Every image some FROM names, once, in order; stages of the file and `scratch` are not among them.

    A FROM that cannot be resolved without more build arguments is left out.
    """
    plain = [stage.index for stage in dockerfile.stages if _PLAIN.match(stage.base)]
    images_read = _read_plain([dockerfile.stages[index].base for index in plain], dockerfile, build_args)
    read = dict(zip(plain, images_read, strict=True))
    images: dict[str, None] = {}
    for stage, parent in zip(dockerfile.stages, parent_stages(dockerfile, build_args), strict=True):
        if parent is not None:
            continue
        try:
            image = read[stage.index] if stage.index in read else base_image(dockerfile, stage, build_args)
        except InputError:
            continue
        if image and image != "scratch":
            images[image] = None
    return tuple(images)


def _read_plain(words: list[str], dockerfile: Dockerfile, build_args: Mapping[str, str]) -> list[str]:
    from dockerfile_parse import DockerfileParser

    scope = {name: value for name, value in global_scope(dockerfile, build_args).items() if _NAME.match(name)}
    lines = [f'ARG {name}=""' for name in scope] + [f"FROM {word}" for word in words]
    parser = DockerfileParser(fileobj=BytesIO("\n".join(lines).encode("ascii")), build_args=scope, env_replace=False)
    return [str(image) for image in parser.parent_images]
