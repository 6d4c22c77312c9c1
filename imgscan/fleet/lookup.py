"""Images looked up: `Wanted` -> `Resolved`, what an image is made of and where that lies. No layer is read."""

from __future__ import annotations

import hashlib
import threading
from collections.abc import Callable, Iterable, Iterator
from concurrent.futures import FIRST_COMPLETED, Future, ThreadPoolExecutor, wait
from contextlib import closing
from dataclasses import field
from datetime import UTC, datetime
from typing import Final, Self

from imgscan.errors import ImgscanError
from imgscan.escape import plain, shorten
from imgscan.fleets import BlobToRead, Wanted
from imgscan.frozen import frozen
from imgscan.model import Skipped
from imgscan.source import Image, ImageConfig, ImageReader, open_image
from imgscan.source.config import member, parse_json, text
from imgscan.source.platforms import parse_platform
from imgscan.source.records import StoreError
from imgscan.source.reference import SCHEME, parse_reference
from imgscan.source.registry import RegistryReader
from imgscan.source.registryhost import RegistryHost

_RESOLVED_AT_ONCE: Final = 16
_AHEAD: Final = 64
_TEAM_LENGTH: Final = 60
_EPOCH_YEAR: Final = 1970
"""Reproducible builds say that they are from then."""


@frozen
class Resolving:
    """How images are looked up: so many requests at once to one registry, hosts that may do without TLS, the label that
    says whose an image is ("": none does). `texts` is the version of what rules say of their findings."""

    connections: int = 4
    insecure_hosts: tuple[str, ...] = ()
    team_label: str = ""
    texts: str = ""


@frozen
class Resolved:
    """An image that is there. `ref` is pinned to its digest in a registry, `key` is the same for the same image
    wherever it lies. `blobs` are its layers' bytes, each once; `vouched` says that the source gives what digests say
    or nothing: of a blob with a digest, that it is what is stored; of one without, that it is what it unpacks to.
    Without `in_parts` its layers cannot be had one by one: it is read as a whole."""

    wanted: Wanted
    kind: str
    ref: str
    host: str
    key: str
    image: Image = field(repr=False)
    documents: tuple[tuple[str, bytes], ...] = field(repr=False)
    skipped: tuple[Skipped, ...]
    blobs: tuple[BlobToRead, ...]
    team: str
    created: str
    insecure_hosts: tuple[str, ...] = ()
    vouched: bool = True
    in_parts: bool = True


@frozen
class Unresolved:
    """An image that is not to be had, and why."""

    wanted: Wanted
    error: str


class Lookups:
    """Looks images up; registries are shared by all of their images. Use it as a context manager."""

    def __init__(self, resolving: Resolving) -> None:
        self._resolving = resolving
        self._hosts: dict[str, RegistryHost] = {}
        self._lock = threading.Lock()

    def look_up(self, wanted: Wanted) -> Resolved | Unresolved:
        """One image. Errors of its source are told, not raised: there are others."""
        try:
            with closing(self._open(wanted)) as reader:
                return _resolved(wanted, reader, self._resolving)
        except (ImgscanError, StoreError) as error:
            return Unresolved(wanted=wanted, error=error_text(error))

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *_: object) -> None:
        for host in self._hosts.values():
            host.close()

    def _open(self, wanted: Wanted) -> ImageReader:
        if not wanted.ref.startswith(SCHEME):
            return open_image(wanted.ref, platform=wanted.platform)
        reference = parse_reference(wanted.ref)
        with self._lock:
            host = self._hosts.get(reference.host)
            if host is None:
                host = RegistryHost(reference.host, insecure_hosts=self._resolving.insecure_hosts)
                self._hosts[reference.host] = host
        platform = parse_platform(wanted.platform) if wanted.platform is not None else None
        return RegistryReader(host.client(reference), reference, platform)


def resolve_all(
    wanted: Iterable[Wanted], resolving: Resolving, *, say: Callable[[str], None] = lambda _: None
) -> Iterator[Resolved | Unresolved]:
    """Every image looked up, many at once, in their order. No byte of a layer is read."""
    with Lookups(resolving) as lookups:
        yield from _look_up_all(lookups, wanted, resolving, say)


def _look_up_all(
    lookups: Lookups, wanted: Iterable[Wanted], resolving: Resolving, say: Callable[[str], None]
) -> Iterator[Resolved | Unresolved]:
    gates: dict[str, threading.Semaphore] = {}

    def one(item: Wanted) -> Resolved | Unresolved:
        with gates[_host(item.ref)]:
            return lookups.look_up(item)

    running: list[Future[Resolved | Unresolved]] = []
    with ThreadPoolExecutor(_RESOLVED_AT_ONCE, thread_name_prefix="imgscan-resolve") as pool:
        try:
            for number, item in enumerate(wanted, start=1):
                gates.setdefault(_host(item.ref), threading.Semaphore(resolving.connections))
                say(f"looking up image {number:,}")
                running.append(pool.submit(one, item))
                while len(running) > _AHEAD:
                    wait(running[:1], return_when=FIRST_COMPLETED)
                    yield running.pop(0).result()
            while running:
                yield running.pop(0).result()
        finally:
            for future in running:
                future.cancel()


def resolve(wanted: Wanted, resolving: Resolving) -> Resolved | Unresolved:
    """One image looked up."""
    with Lookups(resolving) as lookups:
        return lookups.look_up(wanted)


def error_text(error: Exception) -> str:
    """An error in one line."""
    cause = getattr(error, "cause", "")
    return f"{error}: {cause}" if cause and str(cause) not in str(error) else str(error)


def _resolved(wanted: Wanted, reader: ImageReader, resolving: Resolving) -> Resolved:
    if not reader.is_known and reader.kind != "image":
        return _whole(wanted, reader)
    image = reader.image()
    documents = reader.documents()
    stored = {blob.name: blob for blob in reader.blobs()} if reader.is_known else {}
    blobs = {
        (layer.diff_id, layer.blob): BlobToRead(
            blob=layer.blob,
            diff_id=layer.diff_id,
            digest=layer.digest,
            size_bytes=stored[layer.blob].size_bytes if layer.blob in stored else 0,
        )
        for layer in image.layers
        if layer.blob in stored or not reader.is_known
    }
    return Resolved(
        wanted=wanted,
        kind=reader.kind,
        ref=_pinned(wanted.ref, image) if reader.kind == "registry" else wanted.ref,
        host=_host(wanted.ref),
        key=_key(image, documents, reader.skipped(), resolving.texts),
        image=image,
        documents=documents,
        skipped=reader.skipped(),
        blobs=tuple(blobs.values()),
        team=_team(wanted, image, resolving),
        created=_created(image),
        insecure_hosts=resolving.insecure_hosts,
        vouched=all(blob.vouched or blob.digest for blob in stored.values()) if stored else reader.kind == "image",
        # A layer without a diffID cannot be told from another one.
        in_parts=all(layer.diff_id for layer in image.layers),
    )


def _whole(wanted: Wanted, reader: ImageReader) -> Resolved:
    """A compressed archive: what is in it is known once all of it was read."""
    empty = Image(
        ref=wanted.ref, image_id="", platform=wanted.platform, config=ImageConfig(), raw_config=b"", layers=()
    )
    return Resolved(
        wanted=wanted,
        kind=reader.kind,
        ref=wanted.ref,
        host="",
        key="",
        image=empty,
        documents=(),
        skipped=(),
        blobs=(),
        team=wanted.team,
        created="",
        in_parts=False,
    )


def _pinned(ref: str, image: Image) -> str:
    """The reference to just these bytes: a tag may move while the run goes on."""
    return f"{SCHEME}{parse_reference(ref).name}@{image.digest}" if image.digest else ref


def _host(ref: str) -> str:
    """The registry of a reference; "" where there is none, or none that can be read."""
    if not ref.startswith(SCHEME):
        return ""
    try:
        return parse_reference(ref).host
    except ImgscanError:
        return ""


def _key(image: Image, documents: Iterable[tuple[str, bytes]], skipped: Iterable[Skipped], texts: str) -> str:
    """SHA-256 over everything that an image's report depends on, but for what rules find."""
    hashed = hashlib.sha256(hashlib.sha256(image.raw_config).digest() + texts.encode())
    for part in (image.platform or "", *(f"{layer.diff_id} {layer.blob != ''}" for layer in image.layers)):
        hashed.update(part.encode() + b"\0")
    for name, data in documents:
        hashed.update(name.encode("utf-8", "backslashreplace") + b"\0" + hashlib.sha256(data).digest())
    for item in skipped:
        hashed.update(f"{item.where}\0{item.reason}\0".encode("utf-8", "backslashreplace"))
    return hashed.hexdigest()


def _team(wanted: Wanted, image: Image, resolving: Resolving) -> str:
    """Whose it is: what the list says, else its label."""
    if wanted.team or not resolving.team_label:
        return wanted.team
    return plain(shorten(dict(image.config.labels).get(resolving.team_label, ""), _TEAM_LENGTH))


def _created(image: Image) -> str:
    """When it was built, as its configuration has it: a time in UTC, or ""."""
    try:
        stated = text(member(parse_json(image.raw_config, "the configuration"), "created")) if image.raw_config else ""
        found = datetime.fromisoformat(stated.replace("Z", "+00:00")) if stated else None
    except (ImgscanError, ValueError):
        return ""
    if found is None or found.year <= _EPOCH_YEAR:
        return ""
    return (found if found.tzinfo else found.replace(tzinfo=UTC)).astimezone(UTC).strftime("%Y-%m-%dT%H:%M:%SZ")
