"""The files of variables of a tree -> `EnvText`s. In: the tree. Out: records in the order of paths. Pure."""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from typing import Final

from imgscan.lazyre import lazy_re
from imgscan.project.compose.dotenv import read_dotenv
from imgscan.project.compose.environment import EXAMPLES
from imgscan.project.setup import EnvText
from imgscan.project.tree import ProjectTree, is_aside

_NAME: Final = lazy_re(
    r"\.env([.-](?![\w.-]*\.?(?:[cm]?[jt]s|py|json|ya?ml|md|rb|go)$)[\w.-]+)?|[\w.-]+\.env"
    r"|[\w.-]*\.?env\.(example|sample|dist|template|tmpl|tpl|defaults?)"
)
_EXAMPLE: Final = lazy_re(r"(^|[.-])(example|sample|dist|template|tmpl|tpl|default|defaults)([.-]|$)")
_MOST: Final = 200


def is_example(path: str) -> bool:
    """Whether a file of variables is there to be copied."""
    name = path.rpartition("/")[2]
    return name in EXAMPLES or _EXAMPLE.search(name.removeprefix(".env")) is not None


def read_envs(
    tree: ProjectTree, more: Iterator[str] | tuple[str, ...] = (), looked_at: Iterable[str] = ()
) -> tuple[EnvText, ...]:
    """Files with the name of such a file that are the project's own (`is_aside`), and `more` that something refers to;
    at most 200."""
    folders = tuple(looked_at)
    named = [path for path in tree.files if _NAME.fullmatch(path.rpartition("/")[2]) and not is_aside(path, folders)]
    paths = sorted({*named[:_MOST], *(path for path in more if path in tree.files)})
    return tuple(env for path in paths[:_MOST] if (env := read_env(tree, path)) is not None)


def read_env(tree: ProjectTree, path: str) -> EnvText | None:
    """One file of variables; None if it cannot be read."""
    text = tree.text(path)
    if text is None:
        return None
    parsed = read_dotenv(text, path)
    return EnvText(
        path=path,
        example=is_example(path),
        entries=parsed.entries,
        broken=(parsed.fault,) if parsed.fault else (),
    )
