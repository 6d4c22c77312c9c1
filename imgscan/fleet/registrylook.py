"""A look at an image of a registry without its layers: when it was made, for what platforms it is."""

from __future__ import annotations

from collections.abc import Sequence
from datetime import datetime
from typing import Final, Self

from imgscan.errors import InputError
from imgscan.fleet.tags import Dated, parse_created
from imgscan.frozen import frozen
from imgscan.source.config import Json, member, parse_json, platform_of, text
from imgscan.source.platforms import own_platform, read_platform
from imgscan.source.reference import Reference
from imgscan.source.registryclient import RegistryClient
from imgscan.source.registrydocuments import read_config
from imgscan.source.registryindex import Manifest, fetch_manifest, images_of

_MAX_ASKED: Final = 32
"""How many images of an index are looked into for their platform."""
_MAX_PLATFORMS: Final = 100


@frozen
class Looked:
    """What an image says. `platforms` are those of an index, (None,) for an image that is not in one."""

    dated: Dated
    platforms: tuple[str | None, ...] = (None,)

    @classmethod
    def unknown(cls, tag: str) -> Self:
        """Of an image that says nothing."""
        return cls(dated=Dated(identity=f"tag {tag}", created=None))


def look_at(client: RegistryClient, reference: Reference, *, dates: bool, platforms: bool) -> Looked:
    """The image's date, platforms, or both; the date of an index is that of its image for this machine's platform, or
    else its first. Raises InputError for what is not there or no image, EngineError when the registry does not answer.
    """
    name = str(reference)
    top = _fetch(client, reference.wanted, name)
    listed = images_of(client, top, name)
    created: datetime | None = None
    if dates:
        created = _created(client, top if listed is None else _of_own_platform(client, listed, name), name)
    found = _platforms(client, listed, name) if platforms and listed is not None else (None,)
    return Looked(dated=Dated(identity=top.digest, created=created), platforms=found)


def _fetch(client: RegistryClient, wanted: str, name: str) -> Manifest:
    found = fetch_manifest(client, wanted)
    if found is None:
        raise InputError(f"{client.host} has no {name}", next_step="check the spelling")
    return found


def _config(client: RegistryClient, manifest: Manifest, name: str) -> Json:
    return parse_json(read_config(client, manifest, name), f"the configuration of {name}")


def _created(client: RegistryClient, manifest: Manifest, name: str) -> datetime | None:
    return parse_created(text(member(_config(client, manifest, name), "created")))


def _of_own_platform(client: RegistryClient, listed: Sequence[tuple[str, str | None]], name: str) -> Manifest:
    if not listed:
        raise InputError(f"the index {name} lists no image")
    own = own_platform()
    digest = next((digest for digest, platform in listed if read_platform(platform) == own), listed[0][0])
    return _fetch(client, digest, name)


def _platforms(client: RegistryClient, listed: Sequence[tuple[str, str | None]], name: str) -> tuple[str | None, ...]:
    """Every platform that the index has an image for; an image whose descriptor does not say is asked itself."""
    found: dict[str | None, None] = {}
    asked = 0
    for digest, stated in listed[: 20 * _MAX_PLATFORMS]:
        platform = read_platform(stated)
        if platform is None and asked < _MAX_ASKED:
            asked += 1
            try:
                platform = read_platform(platform_of(_config(client, _fetch(client, digest, name), name)))
            except InputError:
                # An artifact among the images.
                continue
        if platform is not None:
            found[str(platform)] = None
    if len(found) > _MAX_PLATFORMS:
        raise InputError(f"the index {name} has images for more than {_MAX_PLATFORMS} platforms")
    return tuple(found) or (None,)
