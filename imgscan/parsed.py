"""YAML files of rules, parsed once: the result is kept beside the compiled rules, since parsing takes longer than
anything else in a short run. In: a path or bytes. Out: what was made of them.
"""

from __future__ import annotations

import contextlib
import hashlib
import os
from collections.abc import Callable
from functools import cache
from pathlib import Path
from typing import Any, Final, TypeVar

import msgspec

from imgscan.cachedir import cache_dir, is_ours

_FOLDER: Final = "parsed"
_KEPT: Final = 100
_LARGEST: Final = 16 << 20
_CHECK_BYTES: Final = 16
T = TypeVar("T")


def load_parsed(path: Path) -> Any:  # noqa: ANN401 - a YAML document has no type
    """The document of a YAML file. Raises OSError, yaml.YAMLError. It is shared: nobody changes it."""
    return _document(path.read_bytes())


@cache
def _document(data: bytes) -> Any:  # noqa: ANN401
    return parsed_once(data, _parse, "document", kind=Any)


def parsed_once(data: bytes, parse: Callable[[bytes], T], name: str, *, kind: type[T]) -> T:
    """What `parse` makes of `data`, of a `kind` that MessagePack can hold. `name` stands for `parse`: one that makes
    something else of the same bytes has another. What it raises is raised, and not kept."""
    kept = cache_dir() / _FOLDER / f"{hashlib.sha256(name.encode() + bytes(1) + data).hexdigest()[:32]}.msgpack"
    found = _read(kept)
    if found is not None:
        with contextlib.suppress(msgspec.DecodeError):
            return msgspec.msgpack.decode(found, type=kind)
    document = parse(data)
    with contextlib.suppress(OSError, TypeError, msgspec.EncodeError, OverflowError):
        packed = msgspec.msgpack.encode(document)
        _write(kept, _check_of(packed) + packed)
    return document


def _parse(data: bytes) -> Any:  # noqa: ANN401
    import yaml

    loader = getattr(yaml, "CSafeLoader", yaml.SafeLoader)
    return yaml.load(data, Loader=loader)  # noqa: S506 - both are safe loaders


def _read(path: Path) -> bytes | None:
    try:
        file = os.open(path, os.O_RDONLY | os.O_NOFOLLOW | os.O_NONBLOCK)
    except OSError:
        return None
    try:
        facts = os.fstat(file)
        if not is_ours(facts) or not is_ours(path.parent.stat()) or facts.st_size > _LARGEST:
            return None
        with os.fdopen(file, "rb", closefd=False) as stream:
            check, packed = stream.read(_CHECK_BYTES), stream.read(_LARGEST)
        return packed if check == _check_of(packed) else None
    except OSError:
        return None
    finally:
        os.close(file)


def _check_of(packed: bytes) -> bytes:
    return hashlib.blake2b(packed, digest_size=_CHECK_BYTES).digest()


def _write(path: Path, data: bytes) -> None:
    """Written beside its place and renamed, so that a reader sees all of it or nothing; the oldest make room."""
    import tempfile

    path.parent.mkdir(mode=0o700, parents=True, exist_ok=True)
    handle, name = tempfile.mkstemp(prefix=".writing-", dir=path.parent)
    with os.fdopen(handle, "wb") as stream:
        stream.write(data)
    Path(name).replace(path)
    kept = sorted(path.parent.glob("*.msgpack"), key=lambda each: each.stat().st_mtime_ns)
    for old in kept[:-_KEPT]:
        old.unlink(missing_ok=True)
