"""A layer of a registry as a stream: asked for at the first read, resumed where a connection was cut.

Nothing is kept on disk. A body that is shorter or longer than its descriptor says is never taken for the layer: a cut
connection ends in EngineError once retries are used up, a wrong length in a note.
"""

from __future__ import annotations

import hashlib
from collections.abc import Callable
from typing import Final, NoReturn

from imgscan.errors import InputError
from imgscan.lazyre import lazy_re
from imgscan.source.backoff import Backoff, TransientError
from imgscan.source.registryclient import RegistryClient
from imgscan.source.registryhttp import Answer, host_of

PROGRESS_BYTES: Final = 1 << 18
"""What a connection must bring to count as progress; a hostile server could cut after each byte for ever."""
_STALL_S: Final = 60.0
_STALL_BYTES: Final = 1 << 16
_SKIP_BYTES: Final = 1 << 18
_CONTENT_RANGE: Final = lazy_re(r"bytes (\d{1,19})-(\d{1,19})/(\d{1,19}|\*)")
_NUMBER: Final = lazy_re(r"\d{1,19}")


class BlobStream:
    """Reads forwards. `note` is told what is wrong with the blob; `where` names it in messages."""

    def __init__(
        self, client: RegistryClient, digest: str, size_bytes: int, *, where: str, note: Callable[[str], None]
    ) -> None:
        self._client = client
        self._digest = digest
        self._size = size_bytes
        self._where = where
        self._note = note
        self._backoff = Backoff(client.effects)
        self._answer: Answer | None = None
        self._offset = 0
        self._ranges = True
        self._gained = 0
        self._waited_s = 0.0
        self._waited_bytes = 0
        self._stated: int | None = None
        self._ended = False
        algorithm = digest.partition(":")[0]
        # The scan computes SHA-256 of every layer anyway, and compares.
        self._hash = hashlib.new(algorithm) if algorithm != "sha256" else None

    def read(self, size: int, /) -> bytes:
        """Up to `size` bytes, b"" at the end.

        Raises EngineError when the connection breaks too often, InputError when the registry has no such blob.
        """
        if size <= 0:
            return b""
        while not self._ended:
            try:
                data = self._advance(size)
            except TransientError as error:
                self._retry(error)
                continue
            if data:
                return data
        return b""

    def close(self) -> None:
        """Break off; nothing more is read."""
        self._ended = True
        self._let_go()

    def _advance(self, size: int) -> bytes:
        """The next bytes, connecting first where there is no connection; b"" when the stream has ended."""
        if self._offset >= self._size and (self._answer is not None or self._size == 0):
            self._finish()
            return b""
        answer = self._answer if self._answer is not None else self._connect()
        data = self._receive(answer, min(size, self._size - self._offset)) if self._size > self._offset else b""
        if not data:
            self._at_end_of_body()
            return b""
        self._offset += len(data)
        if self._hash is not None:
            self._hash.update(data)
        self._gained += len(data)
        if self._gained >= PROGRESS_BYTES:
            self._gained = 0
            self._backoff.progressed()
        return data

    def _connect(self) -> Answer:
        """Ask for the blob from where we are. Raises TransientError."""
        start = self._offset if self._ranges else 0
        answer = self._client.open_blob(self._digest, start)
        self._answer = answer
        self._gained = 0
        self._waited_s, self._waited_bytes = 0.0, 0
        if answer.status == 404:
            self.close()
            raise InputError(
                f"{self._client.host} does not have {self._where}",
                cause="the manifest names it, but the registry has no such blob",
                next_step="push the image again",
            )
        if answer.status == 416:
            self._no_ranges("does not hand out the rest of a layer")
        begins = 0
        if answer.status == 206:
            begins = self._begin_of_part(answer, start)
        else:
            self._stated = _number(answer.header("Content-Length"))
        self._skip(answer, self._offset - begins)
        return answer

    def _begin_of_part(self, answer: Answer, start: int) -> int:
        match = _CONTENT_RANGE.fullmatch(answer.header("Content-Range").strip())
        if match is None or int(match[1]) != start:
            self._no_ranges("handed out another part of a layer than the one asked for")
        self._stated = int(match[3]) if match[3] != "*" else None
        return start

    def _no_ranges(self, what: str) -> NoReturn:
        """Ask for the whole from now on, and leave out what we have. Raises TransientError."""
        self._ranges = False
        raise TransientError(f"{self._client.host} {what}")

    def _skip(self, answer: Answer, count: int) -> None:
        """Leave out what was read before the cut: a server need not know ranges (RFC 9110, section 14.2)."""
        while count > 0:
            data = self._receive(answer, min(count, _SKIP_BYTES))
            if not data:
                raise TransientError(f"{host_of(answer.url)} closed the connection before where it was cut last time")
            count -= len(data)

    def _receive(self, answer: Answer, size: int) -> bytes:
        """Bytes from the connection; one that trickles counts as cut."""
        data, took = self._client.receive(answer, size)
        self._waited_s += took
        self._waited_bytes += len(data)
        if self._waited_bytes >= _STALL_BYTES:
            self._waited_s, self._waited_bytes = 0.0, 0
        elif self._waited_s > _STALL_S:
            raise TransientError(f"{host_of(answer.url)} sent {self._waited_bytes:,} bytes in {self._waited_s:.0f} s")
        return data

    def _at_end_of_body(self) -> None:
        """The body ended before the blob did: cut, unless the registry says itself that there is no more."""
        if self._stated is not None and self._stated == self._offset < self._size:
            self._finish()
            return
        raise TransientError(
            f"{self._client.host} closed the connection after {self._offset:,} of {self._size:,} bytes"
        )

    def _finish(self) -> None:
        """The end, as the registry sees it or as the descriptor says: is it both?"""
        answer = self._answer
        stated = self._stated
        if stated is None and answer is not None and self._has_more(answer):
            stated = self._size + 1
        if stated is not None and stated != self._size:
            longer = "more than" if stated > self._size else f"{stated:,} of"
            self._note(f"the registry's blob has {longer} the {self._size:,} bytes that the manifest says")
        elif self._hash is not None and self._hash.hexdigest() != self._digest.partition(":")[2]:
            self._note(f"the layer's content is not what its digest {self._digest} says")
        self.close()

    @staticmethod
    def _has_more(answer: Answer) -> bool:
        try:
            return bool(answer.read(1))
        except TransientError:
            # Everything is here: how the connection ends does not matter any more.
            return False

    def _retry(self, error: TransientError) -> None:
        self._let_go()
        if not self._backoff.wait(error):
            self._ended = True
            raise self._client.gave_up(f"reading {self._where}", error) from error

    def _let_go(self) -> None:
        if self._answer is not None:
            self._answer.close()
            self._answer = None


def _number(text: str) -> int | None:
    return int(text) if _NUMBER.fullmatch(text.strip()) else None
