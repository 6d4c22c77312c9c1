"""What services are given against what they need (CONFIG-001-03, -09): by their sources and by their images.

In: `Facts`. Out: findings.
"""

from __future__ import annotations

from collections.abc import Iterator

from imgscan.detect.words import is_secret_name
from imgscan.diff import Edit, FileChange, apply_edits, diff_without, line_end_of
from imgscan.model import Evidence, Finding, Fix, Location, Place, Severity
from imgscan.project.compose.environment import example_for
from imgscan.project.compose.places import folder_of
from imgscan.project.compose.records import Service
from imgscan.project.compose.services import service_environment
from imgscan.project.env.examples import is_near
from imgscan.project.env.facts import Facts, in_compose
from imgscan.project.env.imagevariables import ImageVariables, image_variables
from imgscan.project.mend import lines_before, patch_of, shows_secret
from imgscan.project.network.variables import settings_of
from imgscan.project.sources.records import EnvRead
from imgscan.project.sources.scope import folder_of as sources_of
from imgscan.project.sources.scope import reads_of
from imgscan.rulebook import make_finding


def detect_services(facts: Facts) -> Iterator[Finding]:
    """The findings on each active service."""
    for service in facts.project.services.values():
        if not service.active:
            continue
        yield from _unset_reads(facts, service)
        known = image_variables(service)
        if known is not None and _is_server(service):
            yield from _unset_needs(facts, service, known)
            yield from _near_names(facts, service, known)


def _is_server(service: Service) -> bool:
    """Whether the image's own program is started: no command, options for it, or its name."""
    words = service.command.words if service.command else ()
    return (
        not words or words[0].startswith("-") or words[0] in ("postgres", "mysqld", "mariadbd", "docker-entrypoint.sh")
    )


def known_environment(facts: Facts, service: Service) -> dict[str, str | None] | None:
    """The variables of a service, by the files that are there and examples of those that are not; None where a file is
    neither. A value of None comes from wherever compose is run."""
    found: dict[str, str | None] = {}
    for file in service.env_files:
        if file.path is None:
            return None
        env = facts.shared.env(file.path)
        if env is None:
            example = example_for(facts.setup.tree, folder_of(file.path))
            env = facts.shared.env(example) if example and folder_of(example) == folder_of(file.path) else None
            if env is None:
                if file.required:
                    return None
                continue
        found |= {entry.name: entry.value for entry in env.entries}
    given = service_environment(service, facts.setup.tree, facts.project.values)
    return found | {name: value for name, (value, _) in given.items()}


def _unset_reads(facts: Facts, service: Service) -> Iterator[Finding]:
    environment = known_environment(facts, service)
    if environment is None:
        return
    given = {*environment, *settings_of(service, facts.setup)}
    told: set[str] = set()
    for read in reads_of(service, facts.setup):
        if read.name in told or not read.required or read.default is not None or read.name in given:
            continue
        if f"{read.name}_FILE" in given or _is_set_otherwise(facts, service, read.name):
            continue
        told.add(read.name)
        yield _unset_read(facts, service, read)


def _is_set_otherwise(facts: Facts, service: Service, name: str) -> bool:
    """Whether the command, a script that starts it, or a file of variables in the sources sets it."""
    words = (
        *(service.command.words if service.command else ()),
        *(service.entrypoint.words if service.entrypoint else ()),
    )
    if any(name in word for word in words) or facts.shared.comes_from_elsewhere(name):
        return True
    folder = sources_of(service, facts.setup) or ""
    return any(
        entry.name == name
        for env in facts.setup.envs
        if not env.example and (folder_of(env.path) == folder or env.path.startswith(f"{folder}/"))
        for entry in env.entries
    )


def _unset_read(facts: Facts, service: Service, read: EnvRead) -> Finding:
    place = Location(place=Place.CONTEXT, path=read.file, line=read.line)
    return make_finding(
        "env-service-variable-missing",
        message=(
            f"{read.file} line {read.line} needs {read.name}, which neither {service.at.file} gives to {service.name} "
            "nor its Dockerfile sets."
        ),
        location=in_compose(service.keys.get("environment", service.at)),
        places=(in_compose(service.keys.get("environment", service.at)), place),
        evidence=Evidence.DERIVED,
        identity=(service.at.file, service.name, read.name),
        fix=Fix(
            text=f"Give it to {service.name} under `environment:`, `{read.name}: ${{{read.name}:?set it in .env}}`, "
            "and keep a line for it in the example.",
            patch=_given(facts, service, read.name),
        ),
    )


def _given(facts: Facts, service: Service, name: str) -> str | None:
    """The variable handed through from the file of variables, and a line for it in the example."""
    example = facts.example
    first = min((v.at for v in service.environment.values()), key=lambda mark: mark.start, default=None)
    if example is None or first is None or first.file != service.at.file:
        return None
    text = facts.setup.tree.text(first.file) or ""
    before = text[text.rfind("\n", 0, first.start) + 1 : first.start].strip()
    if before in ("-", '- "', "- '"):
        edits = _list_item(text, first.start, f'- "{name}=${{{name}:?set it in .env}}"')
    else:
        edits = lines_before(facts.setup, first, [f"{name}: ${{{name}:?set it in .env}}"])
    if not edits:
        return None
    changes = [FileChange(path=first.file, before=text, after=apply_edits(text, edits))]
    if facts.in_example(name) is None:
        old = facts.setup.tree.text(example.path) or ""
        end = line_end_of(old)
        glue = "" if not old or old.endswith("\n") else end
        changes.append(FileChange(path=example.path, before=old, after=f"{old}{glue}{name}=change-me{end}"))
    return diff_without(tuple(changes), shows_secret)


def _list_item(text: str, start: int, line: str) -> list[Edit]:
    """An item put before the one that begins at `start`."""
    begin = text.rfind("\n", 0, start) + 1
    indent = text[begin:start].partition("-")[0]
    end = "\r\n" if "\r\n" in text else "\n"
    return [Edit(start=begin, end=begin, text=f"{indent}{line}{end}")]


def _unset_needs(facts: Facts, service: Service, known: ImageVariables) -> Iterator[Finding]:
    environment = known_environment(facts, service)
    if environment is None:
        return
    image = service.image.value if service.image else ""
    for group in known.needs:
        here = [name for name in group if name in environment]
        values = [environment[name] for name in here]
        if any(value is None or value for value in values) or _has_unset(service, here):
            continue
        name = here[0] if here else group[0]
        mark = service.environment[name].at if name in service.environment else service.at
        empty = bool(here)
        yield make_finding(
            "env-image-variable-missing",
            message=f"{service.name} runs {image}, which stops at its first start without {' or '.join(group[:3])}; "
            + (f"{name} is empty." if empty else "none of them is given."),
            location=in_compose(mark),
            evidence=Evidence.DERIVED,
            identity=(service.at.file, service.name, group[0]),
            # An example may leave a secret empty so that nobody forgets to fill it in; what another platform hands
            # over for an external secret is not known.
            severity=Severity.MEDIUM if empty or _has_external_secret(facts, service) else None,
            fix=Fix(
                text=f"Give {service.name} a value for {group[0]}, best as a secret file "
                f"({group[0]}_FILE: /run/secrets/…)."
                if is_secret_name(group[0])
                else f"Set {group[0]} for {service.name}."
            ),
        )


def _has_external_secret(facts: Facts, service: Service) -> bool:
    declared = (facts.project.secrets.get(name) for name in service.secrets)
    return any(secret is not None and secret.external for secret in declared)


def _has_unset(service: Service, names: list[str]) -> bool:
    """Whether the value hangs on a variable that has none: another rule's matter."""
    texts = (service.environment[name].value for name in names if name in service.environment)
    return any(text is not None and text.unset for text in texts)


def _near_names(facts: Facts, service: Service, known: ImageVariables) -> Iterator[Finding]:
    for name, variable in service.environment.items():
        if not name.startswith(known.prefixes) or name in known.knows or not known.prefixes:
            continue
        right = [one for one in sorted(known.knows) if one not in service.environment and is_near(one, name)]
        best = min(right, key=lambda one: abs(len(one) - len(name)), default=None)
        if best is None:
            continue
        text = facts.setup.tree.text(variable.at.file) or ""
        at = text.find(name, variable.at.start, variable.at.end)
        edits = [Edit(start=at, end=at + len(name), text=best)] if at >= 0 else []
        image = service.image.value if service.image else ""
        yield make_finding(
            "env-image-variable-typo",
            message=f"{service.name} sets {name}, which {image} does not read; it reads {best}.",
            location=in_compose(variable.at),
            evidence=Evidence.DERIVED,
            identity=(service.at.file, service.name, name),
            fix=Fix(
                text=f"Call it {best} in line {variable.at.line} of {variable.at.file}.",
                patch=patch_of(facts.setup, variable.at.file, edits),
            ),
        )
