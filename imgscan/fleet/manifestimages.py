"""The images that compose files and Kubernetes manifests name: files on disk -> `Wanted`s of registries.

Nothing is run or fetched: variables of compose are those of its files, kustomizations change images' names and tags.
"""

from __future__ import annotations

import posixpath
from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import Final

from imgscan.dockerfile.locate import read_regular_file
from imgscan.errors import ImgscanError, InputError
from imgscan.escape import plain, shorten
from imgscan.fleet.catalogue import list_image
from imgscan.fleet.kubernetes import MAX_BYTES, Kustomization, Manifest, is_manifest, read_manifest
from imgscan.fleet.listing import Found, Listing, reason_of
from imgscan.project.compose.places import folder_of, inside, is_remote
from imgscan.project.compose.read import normal_name, read_composes
from imgscan.project.compose.records import ComposeProject, Service
from imgscan.project.tree import ProjectTree, read_tree
from imgscan.source.reference import parse_reference

_KUSTOMIZATIONS: Final = ("kustomization.yaml", "kustomization.yml", "Kustomization")
_ENDINGS: Final = (".yaml", ".yml", ".json")
_DEEPEST: Final = 20
_LOST: Final = frozenset({"yaml", "limit"})
_LOST_WITH: Final = ("no such file", "include", "cannot extend", "Circular", "project_directory")
"""Kinds of problems of a compose file, and beginnings of their texts, behind which services may be missing."""


def list_manifest(target: str, listing: Listing) -> Iterator[Found]:
    """The images of a YAML file that is one of compose's or of Kubernetes'. Raises InputError where it is neither."""
    text = _read(Path(target))
    if is_manifest(text):
        yield from list_kubernetes(target, listing)
    elif any(line.startswith("services:") for line in text.split("\n")) and not target.endswith(".json"):
        yield from list_compose(target, listing)
    else:
        raise InputError(
            f"{plain(shorten(target, 200))} is no compose file and no manifest of Kubernetes",
            cause="it has neither `services` nor `apiVersion`",
            next_step="compose:FILE or k8s:FILE says what it is meant to be",
        )


def list_compose(target: str, listing: Listing) -> Iterator[Found]:
    """The images of the services of a compose file, whatever profiles these have; of all compose files that are found
    in a folder. Raises InputError for a file that is not there."""
    path = Path(target)
    root = path if path.is_dir() else path.parent
    tree = read_tree(root)
    files = () if path.is_dir() else (path.name,)
    if files and path.name not in tree.files:
        raise InputError(f"{plain(shorten(target, 200))} is no regular file")
    projects = read_composes(tree, files, env_files=_env_files(root, listing))
    if not projects:
        yield listing.not_listed("there is no compose file in it")
    for project in projects:
        yield from _of_project(project, root, listing)


def _of_project(project: ComposeProject, root: Path, listing: Listing) -> Iterator[Found]:
    name = plain("/".join(part for part in (str(root) if str(root) != "." else "", project.files[0]) if part))
    if project.example is not None and project.env_file is None and project.variables:
        listing.say(f"the variables of {name} are those of {plain(project.example)}")
    problems = project.problems
    lost = next((item for item in problems if item.kind in _LOST or item.message.startswith(_LOST_WITH)), None)
    if lost is not None:
        where = f"{plain(lost.at.file)}, line {lost.at.line}"
        yield listing.not_listed(f"{where}: {plain(shorten(lost.message, 200))}", name)
    elif not project.services:
        yield listing.not_listed("it has no services", name)
    for service in project.services.values():
        yield from _of_service(service, project, root, name, listing)


def _of_service(service: Service, project: ComposeProject, root: Path, name: str, listing: Listing) -> Iterator[Found]:
    whose = f"{name}, service {plain(shorten(service.name, 100))}"
    from_engine = listing.options.names_from == "engine"
    if service.image is not None and service.image.unset:
        names = ", ".join(plain(shorten(variable, 60)) for variable in service.image.unset[:5])
        yield listing.not_listed(f"its image hangs on variables without a value: {names}", whose)
    elif service.image is not None and service.image.value:
        yield from _of_name(service.image.value, whose, listing)
    elif service.build is not None and from_engine:
        folder = project.directory.rpartition("/")[2] or root.resolve().name
        known = project.name.value if project.name is not None else normal_name(folder)
        yield listing.wanted(f"{known}-{service.name}", plain(f"{known}-{service.name}"))
    elif service.build is not None:
        yield listing.not_listed("it is built and has no `image`, so that no registry has it under a name", whose)
    else:
        yield listing.not_listed("it has neither `image` nor `build`", whose)


def _of_name(image: str, whose: str, listing: Listing) -> Iterator[Found]:
    """The image that a manifest names; where it is looked for, the options say."""
    if listing.options.names_from == "engine":
        yield listing.wanted(image, plain(shorten(image, 300)))
        return
    try:
        yield from list_image(parse_reference(image), listing)
    except ImgscanError as error:
        yield listing.not_listed(reason_of(error), whose)


def _env_files(root: Path, listing: Listing) -> tuple[str, ...]:
    """The files of variables as paths of the tree. Raises InputError for one outside of it."""
    top = root.resolve()
    found: list[str] = []
    for file in listing.options.env_files:
        whole = file.parent.resolve() / file.name
        if not whole.is_file() or not whole.is_relative_to(top):
            raise InputError(
                f"{plain(str(file))} is no file below {plain(str(root))}",
                cause="only files beside a compose file are read",
            )
        found.append(whole.relative_to(top).as_posix())
    return tuple(found)


def list_kubernetes(target: str, listing: Listing) -> Iterator[Found]:
    """The images of the manifests of a file, of every file below a folder, or of standard input (`-`). Images are those
    of Docker Hub where they name no registry. Raises InputError for a file that cannot be read."""
    if target == "-":
        data = listing.world.stdin().read(MAX_BYTES + 1)
        if len(data) > MAX_BYTES:
            raise InputError(f"standard input has more than {MAX_BYTES:,} bytes", next_step="give it in parts")
        yield from _of_one(read_manifest(data.decode("utf-8", "replace")), "standard input", listing)
    elif Path(target).is_dir():
        yield from _of_folder(Path(target), listing)
    elif Path(target).name in _KUSTOMIZATIONS:
        yield from _of_folder(Path(target).parent, listing)
    else:
        yield from _of_one(read_manifest(_read(Path(target))), target, listing)


def _of_one(manifest: Manifest, name: str, listing: Listing) -> Iterator[Found]:
    shown = plain(shorten(name, 200))
    yield from (listing.not_listed(problem, shown) for problem in manifest.problems)
    if not manifest.objects and not manifest.problems:
        yield listing.not_listed("it holds no object of Kubernetes", shown)
    for image in manifest.images:
        yield from _of_name(image, shown, listing)


def _of_folder(root: Path, listing: Listing) -> Iterator[Found]:
    """Every file, but what a kustomization takes in only as it does."""
    tree = read_tree(root)
    yield from (listing.not_listed(item.reason, plain(str(root / item.where))) for item in tree.skipped)
    manifests: dict[str, Manifest] = {}
    for path in tree.files:
        if path.endswith(_ENDINGS) or posixpath.basename(path) in _KUSTOMIZATIONS:
            try:
                manifests[path] = read_manifest(_read(root / path))
            except InputError as error:
                yield listing.not_listed(reason_of(error), plain(str(root / path)))
    rendering = _Rendering(tree, manifests)
    images = rendering.images()
    for path, manifest in manifests.items():
        shown = plain(str(root / path))
        yield from (listing.not_listed(problem, shown) for problem in manifest.problems)
        yield from (listing.not_listed(problem, shown) for problem in rendering.problems.get(path, ()))
        for image in images.get(path, ()):
            yield from _of_name(image, shown, listing)
    if not any(manifest.objects for manifest in manifests.values()):
        yield listing.not_listed("it holds no object of Kubernetes")


class _Rendering:
    """Kustomizations of a tree as they change the images of what they take in."""

    def __init__(self, tree: ProjectTree, manifests: Mapping[str, Manifest]) -> None:
        self.problems: dict[str, list[str]] = {}
        self._tree = tree
        self._manifests = manifests
        self._of_folders: dict[str, tuple[str, Kustomization]] = {}
        self._taken: set[str] = set()
        for path, manifest in manifests.items():
            if manifest.kustomization is not None and posixpath.basename(path) in _KUSTOMIZATIONS:
                self._of_folders.setdefault(folder_of(path), (path, manifest.kustomization))

    def images(self) -> dict[str, tuple[str, ...]]:
        """By file: those of kustomizations that no other takes in, rendered, and those of files that none does."""
        rendered = {path: self._rendered(folder, ()) for folder, (path, _) in self._of_folders.items()}
        found = {path: manifest.images for path, manifest in self._manifests.items()}
        return {
            path: () if path in self._taken else tuple(dict.fromkeys(rendered.get(path, own)))
            for path, own in found.items()
        }

    def _rendered(self, folder: str, above: tuple[str, ...]) -> list[str]:
        path, kustomization = self._of_folders[folder]
        images: list[str] = []
        for written in kustomization.resources:
            images += self._resource(path, folder, written, above)
        for override in kustomization.overrides:
            images = [override.applied(image) for image in images]
        return images

    def _resource(self, path: str, folder: str, written: str, above: tuple[str, ...]) -> list[str]:
        found = inside(self._tree, folder, written) if not is_remote(written) else None
        if found is not None and found in self._manifests:
            self._taken.add(found)
            return list(self._manifests[found].images)
        if found is not None and found in self._of_folders and found not in (*above, folder) and len(above) < _DEEPEST:
            self._taken.add(self._of_folders[found][0])
            return self._rendered(found, (*above, folder))
        problem = (
            f"{plain(shorten(written, 100))} is not in the folder, or holds no kustomization: "
            "render it first (kubectl kustomize FOLDER | imgscan fleet k8s:-)"
        )
        if problem not in self.problems.setdefault(path, []):
            self.problems[path].append(problem)
        return []


def _read(path: Path) -> str:
    """A text file; bytes that are not UTF-8 become U+FFFD. Raises InputError."""
    try:
        return read_regular_file(path, MAX_BYTES).decode("utf-8", "replace")
    except OSError as error:
        raise InputError(f"{plain(str(path))} cannot be read", cause=error.strerror or "") from error
    except ValueError as error:
        raise InputError(f"{plain(str(path))} cannot be read", cause=str(error)) from error
