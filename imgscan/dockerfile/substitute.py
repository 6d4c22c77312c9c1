"""Building FROM other images than the Dockerfile says: a mirror, or a local stand-in where no registry is reachable.

In: a parsed Dockerfile and a mapping of image references. Out: its text with the images' words replaced; every other
byte, hence every line number, stays.
"""

from __future__ import annotations

import re
from collections.abc import Iterator, Mapping

from imgscan.dockerfile.parse import Command, Dockerfile, base_image, find_stage


def substitute_bases(dockerfile: Dockerfile, images: Mapping[str, str], build_args: Mapping[str, str]) -> str:
    """The Dockerfile's text with the images of `images` replaced, in FROM and in `--from=` of COPY and RUN mounts."""
    text = dockerfile.text
    for start, end, other in sorted(_replacements(dockerfile, images, build_args), reverse=True):
        text = text[:start] + other + text[end:]
    return text


def _replacements(
    dockerfile: Dockerfile, images: Mapping[str, str], build_args: Mapping[str, str]
) -> Iterator[tuple[int, int, str]]:
    for stage in dockerfile.stages:
        base = base_image(dockerfile, stage, build_args)
        if base in images and find_stage(dockerfile, base, before=stage.index) is None:
            yield from _spans(dockerfile, stage.commands[0], stage.base, images[base], prefix="")
        for command in stage.commands[1:]:
            for image in _from_images(command):
                if image in images and find_stage(dockerfile, image, before=stage.index) is None:
                    yield from _spans(dockerfile, command, image, images[image], prefix=r"from=")


def _from_images(command: Command) -> Iterator[str]:
    for name, value in command.flags:
        if name == "from" and value:
            yield value
        elif name == "mount" and value:
            fields = dict(field.partition("=")[::2] for field in value.split(","))
            if "from" in fields:
                yield fields["from"]


def _spans(
    dockerfile: Dockerfile, command: Command, word: str, other: str, *, prefix: str
) -> Iterator[tuple[int, int, str]]:
    pattern = re.compile(rf"(?<=[\s=,-]){prefix}(?P<word>{re.escape(word)})(?=[\s,]|$)")
    match = pattern.search(dockerfile.text, command.start, command.end)
    if match:
        yield match.start("word"), match.end("word"), other
