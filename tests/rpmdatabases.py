"""Databases of rpm in its three forms, made byte by byte (and by SQLite) from headers made the same way."""

from __future__ import annotations

import sqlite3
import struct
from collections.abc import Sequence
from contextlib import closing

PAGE = 512


def rpm_header(files: Sequence[tuple[str, str, str]], *, algorithm: int | None = 8) -> bytes:
    """A header that names files: folder with its slash, name, digest in hexadecimal."""
    folders = list(dict.fromkeys(folder for folder, _, _ in files))
    tags: list[tuple[int, int, int, bytes]] = [
        (1035, 8, len(files), b"".join(digest.encode() + b"\0" for _, _, digest in files)),
        (1116, 4, len(files), b"".join(struct.pack(">I", folders.index(folder)) for folder, _, _ in files)),
        (1117, 8, len(files), b"".join(name.encode() + b"\0" for _, name, _ in files)),
        (1118, 8, len(folders), b"".join(folder.encode() + b"\0" for folder in folders)),
    ]
    if algorithm is not None:
        tags.append((5011, 4, 1, struct.pack(">I", algorithm)))
    index, data = b"", b""
    for tag, kind, count, content in tags:
        data += bytes(-len(data) % 4)
        index += struct.pack(">IIII", tag, kind, len(data), count)
        data += content
    return struct.pack(">II", len(tags), len(data)) + index + data


def sqlite_database(
    headers: Sequence[bytes], *, schema: str = "CREATE TABLE Packages (hnum INTEGER, blob BLOB)"
) -> bytes:
    """As rpm makes it, said to have a journal beside it."""
    with closing(sqlite3.connect(":memory:")) as connection:
        connection.execute(schema)
        if headers:
            connection.executemany("INSERT INTO Packages VALUES (?, ?)", enumerate(headers, 1))
        connection.commit()
        data = connection.serialize()
    return data[:18] + b"\2\2" + data[20:]


def ndb_database(headers: Sequence[bytes]) -> bytes:
    blobs, slots, block = b"", b"", 4096 // 16
    for number, header in enumerate(headers, 1):
        blob = struct.pack("<4sIII", b"BlbS", number, 1, len(header)) + header
        blob += bytes(-len(blob) % 16) + bytes(4) + struct.pack("<I4s", len(header), b"BlbE") + bytes(4)
        slots += struct.pack("<4sIII", b"Slot", number, block, len(blob) // 16)
        blobs += blob
        block += len(blob) // 16
    head = struct.pack("<4sIII", b"RpmP", 0, 1, 1) + bytes(16)
    return (head + slots).ljust(4096, b"\0") + blobs


def bdb_database(headers: Sequence[bytes], order: str = "<") -> bytes:
    """One page of the hash table, whose values lie in chains of overflow pages."""
    pages = [struct.pack(order + "8xIIII", 0, 0x00061561, 9, PAGE).ljust(PAGE, b"\0"), b""]
    entries: list[bytes] = []
    for number, header in enumerate(headers, 1):
        entries += [b"\1" + struct.pack(order + "I", number), struct.pack(order + "B3xII", 3, len(pages), len(header))]
        parts = [header[at : at + PAGE - 26] for at in range(0, len(header), PAGE - 26)]
        for part in parts:
            last = part is parts[-1]
            following = 0 if last else len(pages) + 1
            pages.append(
                (struct.pack(order + "8xIIIHHBB", len(pages), 0, following, 1, len(part), 0, 7) + part).ljust(
                    PAGE, b"\0"
                )
            )
    table = bytearray(struct.pack(order + "8xIIIHHBB", 1, 0, 0, len(entries), 0, 0, 13).ljust(PAGE, b"\0"))
    at = PAGE
    for number, entry in enumerate(entries):
        at -= len(entry)
        table[at : at + len(entry)] = entry
        struct.pack_into(order + "H", table, 26 + 2 * number, at)
    pages[1] = bytes(table)
    return b"".join(pages)
