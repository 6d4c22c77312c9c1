"""What a worker does: the layers of one task, each read once, searched and sealed.

In: a `LayerTask`. Out: a `LayerOutcome` for each of its layers. The worker has rules and logins of its own; none come
with a task. What goes back holds no secret.
"""

from __future__ import annotations

import hashlib
import sys
import time
from collections import defaultdict
from collections.abc import Callable, Iterable
from contextlib import closing
from functools import lru_cache
from pathlib import Path
from typing import Final

from imgscan.detect.secrets.scanner import SecretScanner, load_scanner
from imgscan.errors import InputError
from imgscan.fleets import BlobToRead, LayerOutcome, LayerTask
from imgscan.frozen import frozen
from imgscan.layerresult import LayerScan
from imgscan.layers.blob import open_layer
from imgscan.layers.digests import algorithm_of, check_digests
from imgscan.layers.tarwindow import ByteStream
from imgscan.model import Digest
from imgscan.progress import Progress
from imgscan.rulebook import load_rules
from imgscan.scan import begin_layer
from imgscan.sealedlayer import SEALED_FORMAT, seal_layer
from imgscan.source import ImageReader, LayerBlob, open_image
from imgscan.source.registry import RegistryLayers
from imgscan.store.layercache import results_version
from imgscan.workers import Workers

_CLIENTS_KEPT: Final = 16
_NO_LAYER: Final = "the image has no such layer any more: it changed after it was listed"


def read_layers(task: LayerTask) -> list[LayerOutcome]:
    """Read the layers of a task. Raises InputError when this worker is not of the task's version, and whatever the
    source raises: EngineError, InputError, StoreError."""
    scanner = _scanner(task.rule_files, task.unpack)
    mine = work_version(scanner)
    if task.version != mine:
        raise InputError(
            "a worker has another imgscan, or other rules, than the one that gives out the work",
            cause=f"{task.version} there, {mine} on the worker",
            next_step="install the same version on every worker",
        )
    with closing(Workers(scanner, 0)) as workers:
        reading = _Reading(task=task, scanner=scanner, workers=workers)
        if task.kind == "registry":
            return [_read_from_registry(reading, blob) for blob in task.blobs]
        return _read_from_image(reading)


def work_version(scanner: SecretScanner) -> str:
    """What has to be the same for results to be: of imgscan, of its rules, of the form in which results are kept."""
    return f"{results_version(scanner)} {SEALED_FORMAT}"


def texts_version(scanner: SecretScanner) -> str:
    """What changes with what any rule says of its findings: layers need not be read again for it, reports are made
    anew."""
    return hashlib.sha256(f"{scanner.texts_version} {load_rules()!r}".encode()).hexdigest()


@frozen
class _Reading:
    task: LayerTask
    scanner: SecretScanner
    workers: Workers


class _Counted:
    """Counts what is read of a stream."""

    def __init__(self, stream: ByteStream) -> None:
        self._stream = stream
        self.bytes = 0

    def read(self, size: int, /) -> bytes:
        data = self._stream.read(size)
        self.bytes += len(data)
        return data


@lru_cache(maxsize=2)
def _scanner(rule_files: tuple[str, ...], unpack: bool) -> SecretScanner:
    """This process's rules: to load them takes longer than to read a small layer."""
    return load_scanner(rule_files=[Path(file) for file in rule_files], unpack=unpack)


@lru_cache(maxsize=_CLIENTS_KEPT)
def _layers_of(repository: str, insecure_hosts: tuple[str, ...], bytes_per_s: int) -> RegistryLayers:
    """This process's client for a repository, with the token it has got."""
    return RegistryLayers(repository, insecure_hosts=insecure_hosts, bytes_per_s=bytes_per_s)


def _read_from_registry(reading: _Reading, blob: BlobToRead) -> LayerOutcome:
    task = reading.task
    wrong: list[str] = []
    layers = _layers_of(task.ref.partition("@")[0], task.insecure_hosts, task.bytes_per_s)
    with closing(layers.open(blob.digest or "", blob.size_bytes, wrong.append)) as stream:
        hashes = algorithm_of(blob.digest), algorithm_of(blob.diff_id)
        if blob.is_kept:
            return _check(blob, LayerBlob(name=blob.blob, stream=stream, hashes=hashes), wrong)
        counted = _Counted(stream)
        return _outcome(
            reading, blob, LayerBlob(name=blob.blob, stream=counted, hashes=hashes), lambda: counted.bytes, wrong
        )


def _read_from_image(reading: _Reading) -> list[LayerOutcome]:
    """Layers of an archive, a layout, or an engine's image: as they come by."""
    task = reading.task
    wanted = {blob.blob: blob for blob in task.blobs}
    with closing(open_image(task.ref, platform=task.platform, insecure_hosts=task.insecure_hosts)) as reader:
        if not reader.is_known:
            return _read_all(reading, reader)
        found = [_read_blob(reading, wanted.pop(blob.name), blob) for blob in reader.blobs() if blob.name in wanted]
    return [*found, *_gone(wanted.values())]


def _read_all(reading: _Reading, reader: ImageReader) -> list[LayerOutcome]:
    """Every layer of a source that says only at its end which is which."""
    by_name = {blob.name: _read_blob(reading, _unnamed(blob), blob) for blob in reader.blobs()}
    wanted = {blob.diff_id: blob for blob in reading.task.blobs}
    claimed: dict[str, list[LayerOutcome]] = defaultdict(list)
    for layer in reader.image().layers:
        if layer.blob in by_name:
            claimed[layer.diff_id].append(by_name[layer.blob])
    outcomes = []
    for diff_id in [diff_id for diff_id in claimed if diff_id in wanted]:
        # Two blobs may claim to be one layer: the first that is not spoils it.
        found = min(claimed[diff_id], key=lambda one: one.sealed is not None and one.sealed.diff_id == diff_id)
        sealed = found.sealed if found.sealed is not None and found.sealed.diff_id == diff_id else None
        why = found.why if sealed is not None or found.why else "its content is not what the configuration says"
        outcomes.append(
            LayerOutcome(
                blob=wanted.pop(diff_id),
                sealed=sealed,
                read_bytes=found.read_bytes,
                seconds=found.seconds,
                why=why,
            )
        )
    return [*outcomes, *_gone(wanted.values())]


def _unnamed(blob: LayerBlob) -> BlobToRead:
    return BlobToRead(blob=blob.name, diff_id="", digest=None, size_bytes=blob.size_bytes)


def _gone(blobs: Iterable[BlobToRead]) -> list[LayerOutcome]:
    return [LayerOutcome(blob=blob, sealed=None, read_bytes=0, seconds=0.0, why=_NO_LAYER) for blob in blobs]


def _read_blob(reading: _Reading, wanted: BlobToRead, blob: LayerBlob) -> LayerOutcome:
    if wanted.is_kept:
        return _check(wanted, blob, [])
    return _outcome(reading, wanted, blob, None, [])


def _check(wanted: BlobToRead, blob: LayerBlob, wrong: list[str]) -> LayerOutcome:
    """Whether a layer is the one whose result is kept; `wrong` is what its source has against it, once it was read."""
    began = time.monotonic()
    counted = _Counted(blob.stream)
    summary = open_layer(counted, where=blob.name, hashes=blob.hashes).finish()
    wrong += [note.reason for note in check_digests(summary, diff_id=Digest(""), digest=_digest(wanted), where="")]
    if summary.diff_id != wanted.diff_id or summary.behind_bytes:
        wrong.insert(0, "its content is not what the configuration says")
    elif summary.aside_bytes:
        wrong.append("there is more in it than the layer")
    return LayerOutcome(
        blob=wanted,
        sealed=None,
        read_bytes=counted.bytes,
        seconds=time.monotonic() - began,
        why=wrong[0] if wrong else "",
        digest=summary.digest,
    )


def _outcome(
    reading: _Reading, wanted: BlobToRead, blob: LayerBlob, read_bytes: Callable[[], int] | None, wrong: list[str]
) -> LayerOutcome:
    """Read a layer, and seal its result if it is that of the layer that is meant."""
    began = time.monotonic()
    scan = begin_layer(blob, reading.workers, reading.scanner, _quiet())()
    diff_id, why = _identity(scan, wanted, blob)
    sealed = seal_layer(scan, diff_id, reading.task.seal_key) if diff_id and not wrong and not why else None
    if sealed is None and not why:
        why = wrong[0] if wrong else "a file's name in it, or what lies beside its archive, holds a secret"
    return LayerOutcome(
        blob=wanted,
        sealed=sealed,
        read_bytes=scan.read_bytes if read_bytes is None else read_bytes(),
        seconds=time.monotonic() - began,
        why=why,
        digest=scan.listing.digest,
    )


def _identity(scan: LayerScan, wanted: BlobToRead, blob: LayerBlob) -> tuple[Digest, str]:
    """What the layer is, and what is wrong with that."""
    stated = Digest(wanted.diff_id)
    wrong = check_digests(scan.listing, diff_id=stated, digest=_digest(wanted), where="")
    true_id = scan.listing.diff_id or (stated if blob.vouched and not blob.verify else Digest(""))
    if wrong:
        return true_id, wrong[0].reason
    return true_id, "" if true_id else "it could not be read to its end"


def _digest(wanted: BlobToRead) -> Digest | None:
    return Digest(wanted.digest) if wanted.digest else None


def _quiet() -> Progress:
    return Progress(sys.stderr, live=False, lines=False)
