"""All proofs of a project, in order. In: its folder, an engine or none. Out: `Verified`: what was proven, what could
not be, and the faults that were seen.

Everything happens in copies below a folder of ours and in a scratch project on the engine; both are gone at the end.
"""

from __future__ import annotations

import os
from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import TYPE_CHECKING, Any, Final

from imgscan.errors import EngineError, InputError
from imgscan.frozen import frozen
from imgscan.lazyre import lazy_re
from imgscan.model import Verification
from imgscan.progress import Progress
from imgscan.project.compose.records import ComposeProject
from imgscan.project.setup import Setup, read_setup
from imgscan.verify.bench import Bench, open_bench, work_folder
from imgscan.verify.canary import prove_canary
from imgscan.verify.coldstart import slow_mounts
from imgscan.verify.composecli import HOW_TO_GET, Compose, ComposeError, find_compose
from imgscan.verify.database import find_database
from imgscan.verify.drill import drill, find_scripts
from imgscan.verify.images import NoImageError
from imgscan.verify.passing import Passage
from imgscan.verify.prepare import Prepared, make_secret_files, prepare
from imgscan.verify.projectcopy import copy_project, inside
from imgscan.verify.proofs import Fault, Proofs
from imgscan.verify.sandbox import NoSandboxError, Sandbox, make_sandbox
from imgscan.verify.scratch import Scratch, Terms, make_scratch, refusals, services_of
from imgscan.verify.stack import Stack, State, frequent_checks, make_stack
from imgscan.verify.stackproofs import Scene, make_scene, probe_binds, probe_peers, start
from imgscan.verify.volumes import keepers, prove_volumes
from imgscan.verify.wrapper import prove_wrappers, wrapper_candidates

if TYPE_CHECKING:
    from imgscan.engine import Engine

_RUNNING: Final = ("start", "cold-start", "bind", "peers", "restore-drill")
_ON_THE_ENGINE: Final = ("configuration", "data-volumes", "image-build", "canary", *_RUNNING)
_MISSING_ENV: Final = lazy_re(r"env file (\S.*?) not found")
_MOST_MISSING: Final = 10


@frozen
class Wanted:
    """What to prove: the project's folder, its compose files and profiles if they were named, base images to
    substitute, the network of RUN steps. `connect` gives the engine or raises EngineError."""

    root: Path
    connect: Callable[[], Engine]
    compose_files: tuple[str, ...] = ()
    profiles: tuple[str, ...] = ()
    bases: Mapping[str, str] = field(default_factory=dict)
    network: str | None = None
    environment: Mapping[str, str] = field(default_factory=lambda: dict(os.environ))


@frozen
class Verified:
    """What came of it."""

    verifications: tuple[Verification, ...]
    faults: tuple[Fault, ...]


def verify(wanted: Wanted, progress: Progress, clean: Callable[[str], str] = str) -> Verified:
    """Carry out every proof that applies. Raises InputError for a project that cannot be copied; an engine that goes
    away in the middle leaves the rest unverified."""
    with work_folder() as work:
        copies = tuple(str(work / name) for name in ("project", "scripts", "canary"))
        proofs = Proofs(clean=clean, folders=copies)
        progress.phase("copying the project")
        try:
            copy_project(wanted.root, work / "scripts")
        except OSError as error:
            raise InputError(
                f"the project cannot be copied: {error.strerror}",
                next_step="set TMPDIR to a folder with room for a copy or two",
            ) from error
        setup = read_setup(
            wanted.root,
            compose_files=wanted.compose_files,
            profiles=wanted.profiles,
        )
        project = max(setup.composes, key=lambda item: len(item.services), default=None)
        _Run(wanted=wanted, progress=progress, proofs=proofs, work=work).all(setup, project)
    return Verified(verifications=tuple(proofs.results), faults=tuple(proofs.faults))


@dataclass(slots=True, kw_only=True)
class _Run:
    wanted: Wanted
    progress: Progress
    proofs: Proofs
    work: Path

    def all(self, setup: Setup, project: ComposeProject | None) -> None:
        """Everything: first what needs no engine."""
        if project is None or not project.services:
            return
        scripts = self.work / "scripts"
        prepare(scripts, project)
        room = self._room(scripts, setup)
        if room is not None and wrapper_candidates(setup):
            self.progress.phase("trying the wrapper scripts in a sandbox")
            prove_wrappers(setup, room, self.proofs)
        try:
            with self.wanted.connect() as engine:
                compose = find_compose(engine.host, self.wanted.environment)
                if compose is None:
                    self.skip(setup, f"no compose: {HOW_TO_GET}")
                    return
                self._with_engine(engine, compose, project, room)
        except EngineError as error:
            done = {item.name for item in self.proofs.results}
            why = f"no engine: {error.what}. {error.next_step}" if not done & set(_ON_THE_ENGINE) else error.what
            self.skip(setup, why)

    def _room(self, scripts: Path, setup: Setup) -> Sandbox | None:
        if not wrapper_candidates(setup) and find_scripts(setup) is None:
            return None
        work = self.work / "room"
        work.mkdir(mode=0o755)
        try:
            return make_sandbox(scripts, work)
        except NoSandboxError as error:
            for name in wrapper_candidates(setup):
                self.proofs.unverified("wrapper", str(error), name)
            return None

    def skip(self, setup: Setup, why: str, names: tuple[str, ...] = _ON_THE_ENGINE) -> None:
        """What is left, and applies, cannot be carried out."""
        done = {item.name for item in self.proofs.results}
        for name in names:
            if name not in done and _applies(name, setup):
                self.proofs.unverified(name, why)

    def _with_engine(self, engine: Engine, compose: Compose, project: ComposeProject, room: Sandbox | None) -> None:
        copy = self.work / "project"
        copy_project(self.wanted.root, copy)
        prepared = prepare(copy, project)
        # Read again: the copy has the variables that the example gives.
        setup = read_setup(copy, compose_files=project.files, profiles=self.wanted.profiles)
        again = next((item for item in setup.composes if item.files == project.files), project)
        config = self._configuration(compose, prepared)
        if config is None:
            self.skip(setup, "compose refuses the project")
            return
        scene = make_scene(setup, again, config)
        with open_bench(
            engine,
            compose,
            self.work,
            bases=self.wanted.bases,
            network=self.wanted.network,
            say=self.progress.phase,
        ) as bench:
            _Staged(run=self, bench=bench, scene=scene, prepared=prepared, room=room).all()

    def _configuration(self, compose: Compose, prepared: Prepared) -> dict[str, Any] | None:
        self.progress.stage("asking compose what the project means")
        with self.proofs.timed():
            config, told, refused = _ask(compose, prepared)
            if refused:
                evidence = f"compose refuses it: {'; '.join(refused)}"
                missing = all(_MISSING_ENV.search(text) for text in refused)
                rule_id = "env-file-missing" if missing else "env-compose-refuses"
                cites = ("CONFIG-001-06",) if missing else ("CONFIG-001-01",)
                self.proofs.failed("configuration", evidence, cites=cites, rule_id=rule_id)
                return config
            unset = [" ".join(line.split()) for line in told.splitlines() if "variable is not set" in line]
            if unset:
                self.proofs.failed("configuration", "; ".join(unset[:10]))
            else:
                used = ", ".join(prepared.from_examples) or "no file of variables"
                self.proofs.passed("configuration", f"compose {_version(compose)} takes it with {used}")
        return config


def _ask(compose: Compose, prepared: Prepared) -> tuple[dict[str, Any] | None, str, list[str]]:
    """The project, what compose said of it, and what it refused. A file of variables that is missing is made, empty, so
    that there is something to say of the rest."""
    refused: list[str] = []
    for _ in range(_MOST_MISSING):
        try:
            config, told = compose.config(prepared.files, directory=prepared.directory, env_file=prepared.env_file)
        except ComposeError as error:
            refused.append(" ".join(str(error).split()))
            missing = _MISSING_ENV.search(str(error))
            file = inside(prepared.copy, missing[1]) if missing else None
            if file is None or file.exists():
                return None, "", refused
            file.parent.mkdir(parents=True, exist_ok=True)
            file.touch()
        else:
            return config, told, refused
    return None, "", refused


@dataclass(slots=True, kw_only=True)
class _Staged:
    """The proofs on the engine."""

    run: _Run
    bench: Bench
    scene: Scene
    prepared: Prepared
    room: Sandbox | None

    def all(self) -> None:
        """Volumes, images, the running project, the drill."""
        proofs, config, copy = self.run.proofs, self.scene.config, self.prepared.copy
        self.bench.say("asking what down -v would delete")
        prove_volumes(self.bench, self.scene, proofs, self._terms({}, {}))
        reasons = [*refusals(config, str(copy)), *_foreign_files(self.scene, self.bench.engine)]
        images = self._images()
        self._canary(images)
        if images is None or reasons:
            why = f"not run: {'; '.join(reasons[:3])}" if reasons else "an image is missing"
            self.run.skip(self.scene.setup, why, _RUNNING)
            return
        slow = dict(slow_mounts(config, copy, self.bench.work))
        stack = make_stack(self.bench, self._scratch(images, slow))
        self.bench.say("starting the project's copy on fresh volumes")
        states = start(stack, self.scene, proofs, slowed=frozenset(slow))
        if states is None:
            self.run.skip(self.scene.setup, "nothing of the project runs", _RUNNING)
            return
        self.bench.say("looking who listens and who reaches whom")
        probe_binds(stack, self.scene, states, proofs)
        probe_peers(stack, self.scene, states, proofs)
        self._drill(stack, states)

    def _images(self) -> dict[str, str] | None:
        images: dict[str, str] = {}
        proofs, whole = self.run.proofs, True
        with proofs.timed():
            for name, service in services_of(self.scene.config).items():
                self.bench.say(f"making the image of {name}")
                try:
                    images[name] = self.bench.images.image_of(name, service, self.prepared.copy)
                except NoImageError as error:
                    whole = False
                    file, line = self.scene.line(name)
                    if error.failed:
                        rule_id = "tech-build-fails"
                        proofs.failed("image-build", str(error), name, file=file, line=line, rule_id=rule_id)
                    else:
                        proofs.unverified("image-build", str(error), name)
                    continue
                if name in self.bench.images.built:
                    seconds = self.bench.images.built[name].trace.seconds
                    proofs.passed("image-build", f"built from the copy in {seconds:.1f} s", name)
        return images if whole else None

    def _canary(self, images: Mapping[str, str] | None) -> None:
        proofs = self.run.proofs
        builds = {
            name: service["build"]
            for name, service in services_of(self.scene.config).items()
            if isinstance(service.get("build"), dict)
        }
        if not builds:
            return
        if images is None:
            proofs.unverified("canary", "an image does not build")
            return
        self.bench.say("building with markers in place of secrets")
        copy = self.bench.work / "canary"
        copy_project(self.run.wanted.root, copy)
        prepare(copy, self.scene.project)
        make_secret_files(_moved(self.scene.config, self.prepared.copy, copy), copy, self.bench.work)
        moved = {name: _moved(build, self.prepared.copy, copy) for name, build in builds.items()}
        prove_canary(self.bench, copy, moved, proofs, self.run.progress)

    def _drill(self, stack: Stack, states: Mapping[str, State]) -> None:
        setup, proofs = self.scene.setup, self.run.proofs
        scripts = find_scripts(setup)
        if scripts is None:
            return
        if self.room is None:
            self._no_drill("no sandbox can be made for the scripts")
            return
        database = find_database(stack, self.scene.config, states)
        if database is None:
            self._no_drill("no running service is a PostgreSQL server, the only one that the drill knows")
            return
        self.bench.say("backing up, hurting and restoring the database of the copy")
        passage = Passage(
            stack=stack,
            config=self.scene.config,
            containers={name: state.container for name, state in states.items()},
            user=database.user,
        )
        self._share_secrets()
        drill(setup, self.room, database, passage, proofs, scripts)

    def _share_secrets(self) -> None:
        """The scripts' copy has the secrets that the stack was given."""
        for key, item in (self.scene.config.get("secrets") or {}).items():
            source = Path(str((item or {}).get("file") or ""))
            target = self.run.work / "scripts" / os.path.relpath(source, self.prepared.copy)
            if key and source.is_file() and self.prepared.copy in source.parents and not target.exists():
                target.parent.mkdir(parents=True, exist_ok=True)
                target.write_bytes(source.read_bytes())
                target.chmod(0o644)

    def _no_drill(self, why: str) -> None:
        scripts = find_scripts(self.scene.setup)
        if scripts is not None:
            self.run.proofs.unverified("restore-drill", why, scripts.backup.file)

    def _terms(self, images: Mapping[str, str], slow: Mapping[str, tuple[tuple[str, str], ...]]) -> Terms:
        config = self.scene.config
        return Terms(
            name=self.bench.name,
            label=self.bench.label,
            images={name: images.get(name, "scratch") for name in services_of(config)},
            copy=str(self.prepared.copy),
            secret_files=make_secret_files(config, self.prepared.copy, self.bench.work),
            extra_mounts=slow,
            checks=frequent_checks(self.bench.engine, self.scene.project, images),
        )

    def _scratch(self, images: Mapping[str, str], slow: Mapping[str, tuple[tuple[str, str], ...]]) -> Scratch:
        return make_scratch(self.scene.config, self._terms(images, slow))


def _foreign_files(scene: Scene, engine: Engine) -> Iterator[str]:
    """Files that the containers would get from elsewhere, or could not get at all."""
    for name, service in scene.project.services.items():
        for env_file in service.env_files:
            if env_file.path is None and name in services_of(scene.config):
                yield f"{name} reads {env_file.written}, which is not in the project"
    if not engine.host.startswith(("unix://", "npipe://")):
        yield f"the engine at {engine.host} may be on another machine, where the copy is not"


def _applies(name: str, setup: Setup) -> bool:
    """Whether a project has what a proof is about."""
    services = [service for project in setup.composes for service in project.services.values()]
    match name:
        case "data-volumes":
            return any(keepers(setup, project) for project in setup.composes)
        case "canary" | "image-build":
            return any(service.build is not None for service in services)
        case "cold-start" | "peers":
            return len(services) > 1
        case "restore-drill":
            return find_scripts(setup) is not None
        case _:
            return True


def _moved(value: Any, before: Path, after: Path) -> Any:  # noqa: ANN401 - a tree of builtins
    """A part of a compose document with the paths of one copy become those of another."""
    if isinstance(value, str):
        inside = value == str(before) or value.startswith(f"{before}/")
        return f"{after}{value[len(str(before)) :]}" if inside else value
    if isinstance(value, dict):
        return {key: _moved(item, before, after) for key, item in value.items()}
    if isinstance(value, list):
        return [_moved(item, before, after) for item in value]
    return value


def _version(compose: Compose) -> str:
    return ".".join(map(str, compose.version))
