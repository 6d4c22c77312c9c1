"""The compose projects of a tree. In: the tree, the files, profiles and files of variables that a user names. Out:
`ComposeProject`s. Pure: nothing is run, and this machine's environment is not asked."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace
from typing import Final

from imgscan.lazyre import lazy_re
from imgscan.project.compose.discover import find_projects
from imgscan.project.compose.environment import Environment, example_for, project_environment
from imgscan.project.compose.interpolate import replace_variables
from imgscan.project.compose.load import Loader
from imgscan.project.compose.nodes import MapNode, child, entries_of, scalar, text_of
from imgscan.project.compose.places import folder_of
from imgscan.project.compose.records import ComposeProject, Mark, Service, Text
from imgscan.project.compose.references import check_references
from imgscan.project.compose.services import Reading, read_service
from imgscan.project.compose.toplevel import read_networks, read_secrets, read_volumes, with_default_network
from imgscan.project.tree import ProjectTree

_PROJECT_NAME: Final = "COMPOSE_PROJECT_NAME"
_NOT_IN_NAMES: Final = lazy_re(r"[^a-z0-9_-]")


def read_composes(
    tree: ProjectTree,
    compose_files: Sequence[str] = (),
    profiles: Sequence[str] = (),
    env_files: Sequence[str] = (),
) -> tuple[ComposeProject, ...]:
    """The project of `compose_files` (paths of the tree, merged in this order as `-f` does it); without them all those
    found in the tree. `env_files` are what `--env-file` names, `profiles` what `--profile` does."""
    if compose_files:
        return (read_project(tree, compose_files, profiles, env_files, declared=True),)
    return tuple(
        read_project(tree, found.files, profiles, env_files, started_in=found.started_in)
        for found in find_projects(tree)
    )


def read_project(
    tree: ProjectTree,
    files: Sequence[str],
    profiles: Sequence[str] = (),
    env_files: Sequence[str] = (),
    *,
    declared: bool = False,
    started_in: str | None = None,
) -> ComposeProject:
    """One project of files that are merged; its directory is that of the first one. `started_in`: the folder whose
    .env named them (COMPOSE_FILE), if it is another one."""
    directory = folder_of(files[0])
    environment = project_environment(tree, directory, env_files)
    if started_in is not None and started_in != directory and not env_files:
        environment = project_environment(tree, started_in, ()).over(environment)
    loader = Loader(tree=tree, problems=list(environment.problems))
    name = _name(loader, files, environment)
    known = normal_name(name.value if name else directory.rpartition("/")[2] or tree.root.resolve().name)
    # Compose sets both itself; it is taken to be started in the project directory.
    environment = replace(environment, values={"PWD": ".", **environment.values, _PROJECT_NAME: known})
    root = loader.load(files, directory, environment)
    _check_root(loader, root, name, known)
    reading = Reading(
        tree=tree,
        values=environment.values,
        active_profiles=frozenset((*profiles, *_profiles(environment, profiles))),
    )
    services = _services(root, reading)
    project = ComposeProject(
        files=tuple(files),
        directory=directory,
        name=name,
        name_at=name.at if name else None,
        services=services,
        volumes=read_volumes(root, known if name or directory else None),
        networks=read_networks(root, services),
        secrets=read_secrets(root, "secrets", tree),
        configs=read_secrets(root, "configs", tree),
        variables=tuple(loader.variables),
        problems=(*loader.problems, *reading.problems),
        env_file=_env_file(environment),
        example=example_for(tree, directory),
        declared=declared,
        read=tuple(loader.files),
        values=environment.values,
    )
    return replace(project, problems=(*project.problems, *check_references(project, root)))


def _check_root(loader: Loader, root: MapNode, name: Text | None, known: str) -> None:
    if not root.entries and not loader.problems:
        loader.problem("schema", "empty compose file", root.at)
    told = name is not None and name.at.file not in loader.files
    if not known or (told and name is not None and name.raw != known):
        at = name.at if name else root.at
        loader.problem("schema", "the project name is empty or has letters that it may not have", at)


def _services(root: MapNode, reading: Reading) -> dict[str, Service]:
    return {
        service: with_default_network(read_service(service, entry, reading))
        for service, entry in entries_of(child(root, "services")).items()
        if isinstance(entry.node, MapNode)
    }


def normal_name(text: str) -> str:
    """A project's name as compose makes it of any text: small letters, digits, `_` and `-`."""
    return _NOT_IN_NAMES.sub("", text.lower()).lstrip("_-")


def _env_file(environment: Environment) -> str | None:
    return None if environment.stands_in else next(iter(environment.files), None)


def _profiles(environment: Environment, named: Sequence[str]) -> list[str]:
    """`COMPOSE_PROFILES` of the files of variables, which counts where no profile is named."""
    if named or environment.stands_in:
        return []
    return [one.strip() for one in environment.values.get("COMPOSE_PROFILES", "").split(",") if one.strip()]


def _name(loader: Loader, files: Sequence[str], environment: Environment) -> Text | None:
    """The name that a file fixes: a file of variables before the last `name:` of the compose files."""
    found = None
    for path in files:
        for root in loader.yaml(path, folder_of(files[0])).roots:
            name = scalar(child(root, "name"))
            if name is not None and name.value:
                replaced = replace_variables(name.value, environment.values)
                found = text_of(replace(name, value=normal_name(replaced.value), unset=replaced.unset))
    told = environment.values.get(_PROJECT_NAME)
    if told and found is None:
        source = environment.sources[_PROJECT_NAME]
        text = loader.tree.text(source) or ""
        at = max(text.find(_PROJECT_NAME), 0)
        mark = Mark(file=source, line=text.count("\n", 0, at) + 1, column=1, start=at, end=at + len(_PROJECT_NAME))
        return Text(value=normal_name(told), raw=told, at=mark)
    if told and found is not None:
        return replace(found, value=normal_name(told))
    return found if found is None or found.value or not found.unset else None
