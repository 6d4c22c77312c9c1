"""An image of the container engine: out of the engine's store where that lies on this machine (`stored`), else as one
stream of `GET /images/{id}/get`. Nothing is copied to disk.

Engine 20.10 writes the old save layout, 25 and later an OCI layout with manifest.json, the containerd store compressed
layers, Podman docker-archive with links; `stream.OnePass` reads them all. What the engine knows beforehand (inspect,
history) is there before the first byte.
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import replace
from typing import TYPE_CHECKING, Any, Final
from urllib.parse import quote

from imgscan.alike import alike
from imgscan.errors import EngineError, ImgscanError, InputError
from imgscan.escape import plain, shorten
from imgscan.model import Skipped
from imgscan.source.choice import Asked
from imgscan.source.config import Json, member, parse_config, platform_of, text, texts
from imgscan.source.platforms import Platform, best, read_platform
from imgscan.source.records import Image, ImageReader, LayerBlob, layers_of_store
from imgscan.source.reference import check_name
from imgscan.source.select import Selection
from imgscan.source.stored import open_stored_image
from imgscan.source.stream import OnePass

if TYPE_CHECKING:
    from imgscan.engine import Engine

_CONNECT_TIMEOUT_S: Final = 10
_READ_TIMEOUT_S: Final = 1800
"""Engines before 25 write the whole image to disk before they send the first byte."""
_MAX_SIMILAR: Final = 5
_EMPTY_KEYWORDS: Final = frozenset(
    (
        "ARG",
        "CMD",
        "ENTRYPOINT",
        "ENV",
        "EXPOSE",
        "HEALTHCHECK",
        "LABEL",
        "MAINTAINER",
        "ONBUILD",
        "SHELL",
        "STOPSIGNAL",
        "USER",
        "VOLUME",
    )
)
_NOP: Final = "#(nop)"


def open_engine_image(ref: str, engine: Engine | None = None, platform: Platform | None = None) -> ImageReader:
    """An image of the engine by name or id; connects when no engine is given, and then closes it with the reader.

    Raises InputError when this is no name, when there is no such image (with similar names) or it is for another
    platform, EngineError when the engine does not answer.
    """
    check_name(ref)
    if engine is not None:
        return EngineReader(engine, ref, platform=platform)
    from imgscan.engine import Engine as EngineClient

    connected = EngineClient.connect()
    try:
        return EngineReader(connected, ref, platform=platform, owns_engine=True)
    except BaseException:
        connected.close()
        raise


class EngineReader:
    """Reads one image of the engine. Of an export, `image` is the engine's own account until `blobs` is exhausted (its
    layers then have no blob names), and what the export really holds afterwards."""

    kind = "image"

    def __init__(
        self,
        engine: Engine,
        ref: str,
        *,
        platform: Platform | None = None,
        owns_engine: bool = False,
        use_store: bool = True,
    ) -> None:
        self.ref = ref
        self._engine = engine
        self._owns_engine = owns_engine
        self._record: Json = _inspect(engine, ref)
        if platform is not None:
            _check_platform(platform_of(self._record), platform, ref)
        self._diff_ids = texts(member(member(self._record, "RootFS"), "Layers"))
        self._selection: Selection | None = None
        self._response: Any = None
        self._stored = open_stored_image(ref, self._record, engine) if use_store else None

    @property
    def is_stored(self) -> bool:
        """Whether the engine's store is read, and not an export."""
        return self._stored is not None

    @property
    def is_known(self) -> bool:
        """Whether the image is known before its blobs are: an export's layers have no names before."""
        return self.is_stored

    def leave_store(self) -> None:
        """Read an export from now on, since the store turned out not to be readable after all."""
        if self._stored is not None:
            self._stored.close()
            self._stored = None

    def blobs(self) -> Iterator[LayerBlob]:
        """Every layer blob, as it comes in an export. Raises EngineError when the stream breaks off, StoreError when
        the store cannot be read."""
        if self._stored is not None:
            return self._stored.blobs()
        return self._export()

    def _export(self) -> Iterator[LayerBlob]:
        if not self._diff_ids and isinstance(member(self._record, "RootFS"), dict):
            # Graph drivers refuse to export an image without layers: the engine's own account of it is all there is.
            return
        # By id: a tag may move between two requests.
        image_id = text(member(self._record, "Id")) or self.ref
        with self._engine.calling(self._doing(), self.ref):
            self._response = _start_export(self._engine, image_id)
        source = OnePass(_ExportStream(self._engine, self._response, self._doing()), broken=self._broken)
        try:
            yield from source.blobs()
        finally:
            self._close_response()
        try:
            self._selection = source.select(Asked(ref=self.ref, diff_ids=self._diff_ids))
        except InputError as error:
            if source.has_manifest:
                raise
            raise self._broken("the stream ended before the image's manifest") from error

    def image(self) -> Image:
        """The image; see the class."""
        if self._stored is not None:
            return self._stored.image()
        if self._selection is None:
            return self._announced()
        image_id = text(member(self._record, "Id"))
        return replace(self._selection.image, ref=self.ref, image_id=image_id or self._selection.image.image_id)

    def documents(self) -> tuple[tuple[str, bytes], ...]:
        """Attestations and other JSON of the image, known after `blobs`."""
        if self._stored is not None:
            return self._stored.documents()
        return self._selection.documents if self._selection is not None else ()

    def skipped(self) -> tuple[Skipped, ...]:
        """What of the image could not be read, known after `blobs`."""
        if self._stored is not None:
            return self._stored.skipped()
        if self._selection is None:
            return ()
        if self._selection.image.config.diff_ids == self._diff_ids:
            return self._selection.skipped
        differs = Skipped(where="export", reason="the engine exported other layers than its record of the image lists")
        return (*self._selection.skipped, differs)

    def close(self) -> None:
        """Break off the export if it runs, and close the engine if this opened it."""
        self.leave_store()
        self._close_response()
        if self._owns_engine:
            self._engine.close()

    def _announced(self) -> Image:
        config = parse_config(
            {
                "config": member(self._record, "Config"),
                "rootfs": {"diff_ids": list(self._diff_ids)},
                "history": history_entries(self._engine.history(self.ref), len(self._diff_ids)),
            }
        )
        return Image(
            ref=self.ref,
            image_id=text(member(self._record, "Id")),
            platform=platform_of(self._record),
            config=config,
            raw_config=b"",
            layers=layers_of_store(config, self._diff_ids, have_blobs=False),
        )

    def _doing(self) -> str:
        return f"reading the image {plain(shorten(self.ref, 200))}"

    def _broken(self, reason: str) -> ImgscanError:
        return EngineError(
            f"the engine at {self._engine.host} broke off while {self._doing()}",
            cause=reason,
            next_step="see the engine's own log, then run the same command again",
        )

    def _close_response(self) -> None:
        if self._response is not None:
            self._response.close()
            self._response = None


class _ExportStream:
    """The body of the export. What goes wrong on the wire becomes EngineError."""

    def __init__(self, engine: Engine, response: Any, doing: str) -> None:  # noqa: ANN401 - requests is imported lazily
        self._engine = engine
        self._raw = response.raw
        self._doing = doing

    def read(self, size: int, /) -> bytes:
        """Up to `size` bytes."""
        with self._engine.calling(self._doing):
            return bytes(self._raw.read(size))


def history_entries(history: list[dict[str, Any]], layers: int) -> list[dict[str, Json]]:
    """The engine's history (newest first, with sizes) as the configuration has it: oldest first, empty layers marked.

    A layer may be empty without being marked so: sizes decide only where exactly as many are not zero as there are
    layers, else the instruction does.
    """
    oldest_first = history[::-1]
    by_size = sum(1 for entry in oldest_first if entry.get("Size")) == layers
    return [
        {
            "created_by": text(member(entry, "CreatedBy")),
            "comment": text(member(entry, "Comment")),
            "empty_layer": not entry.get("Size") if by_size else _makes_no_layer(text(member(entry, "CreatedBy"))),
        }
        for entry in oldest_first
    ]


def _makes_no_layer(created_by: str) -> bool:
    _, _, after = created_by.partition(_NOP)
    words = (after or created_by).split(None, 1)
    return bool(words) and words[0] in _EMPTY_KEYWORDS


def _inspect(engine: Engine, ref: str) -> Json:
    try:
        return engine.inspect_image(ref)
    except InputError as error:
        similar = alike(ref, sorted(engine.tags()), most=_MAX_SIMILAR, cutoff=0.5)
        names = ", ".join(plain(shorten(name, 100)) for name in similar)
        raise InputError(
            error.what, cause=f"there are: {names}" if names else error.cause, next_step=error.next_step
        ) from error


def _check_platform(there: str | None, wanted: Platform, ref: str) -> None:
    """The engine gives one platform's image under a name. Raises InputError where it is another one's."""
    if best([read_platform(there)], wanted) is None:
        name = plain(shorten(ref, 200))
        raise InputError(
            f"the engine has no {name} for {wanted}",
            cause=f"what it has is for {plain(there)}" if there else "what it has does not say for what it is",
            next_step=f"docker pull --platform {wanted} {name}, or scan registry://{name} directly",
        )


def _start_export(engine: Engine, image_id: str) -> Any:  # noqa: ANN401 - requests is imported lazily
    api: Any = engine.api
    url = engine.api_url(f"/images/{quote(image_id, safe=':/@')}/get")
    response = api.get(url, stream=True, timeout=(_CONNECT_TIMEOUT_S, _READ_TIMEOUT_S))
    try:
        api._raise_for_status(response)
    except BaseException:
        response.close()
        raise
    return response
