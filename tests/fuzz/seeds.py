"""What fuzzing starts from, made at run time: one of each form that the formats have."""

from __future__ import annotations

import bz2
import gzip
import lzma
from pathlib import Path
from typing import Final

from archivemaker import ARCHIVES as NESTED_ARCHIVES
from archivemaker import HOLDERS, STREAMS, tarred, zipped
from fuzz.mutate import PACKERS
from imagemaker import LAYOUTS, Made, docker25, dump, legacy, small_layer
from secretmaker import token_of
from tarmaker import (
    archive,
    base256,
    directory,
    hardlink,
    header,
    long_name,
    member,
    octal,
    padded,
    pax,
    record,
    symlink,
)

_SPARSE_MAP: Final = b"".join(octal(number, 12) for number in (1000, 512, 3000, 512))
_SPARSE_1: Final = ((b"GNU.sparse.major", b"1"), (b"GNU.sparse.minor", b"0"))

TARS: Final = (
    archive(member(b"a", b"content"), directory(b"d/"), symlink(b"l", b"../a"), hardlink(b"h", b"a")),
    archive(member(b"a", b"v7", form="v7"), member(b"b/", b"", flag=b"\0", form="v7")),
    archive(header(b"c", size=3, form="gnu", fields={345: octal(1, 12), 357: octal(2, 12)}) + padded(b"gnu")),
    archive(header(b"n", form="ustar", prefix=b"some/prefix"), header(b"s", form="star", prefix=b"star/prefix")),
    archive(long_name(b"x/" * 120 + b"y"), long_name(b"to/" * 50, b"K"), symlink(b"short", b"shorter")),
    archive(pax((b"path", b"pax/name"), (b"size", b"5"), (b"mtime", b"1.5")), member(b"z", b"12345")),
    archive(pax((b"path", b"ignored"), flag=b"g"), pax((b"linkpath", b"t")), hardlink(b"z", b"y")),
    archive(header(b"sp", size=1024, flag=b"S", form="gnu", fields={386: _SPARSE_MAP, 483: octal(5000, 12)}) + bytes(1024)),
    archive(
        header(b"sp", size=512, flag=b"S", form="gnu", fields={482: b"\1", 483: base256(20 << 30, 12)})
        + (octal(10 << 30, 12) + octal(512, 12)).ljust(512, b"\0")
        + b"d" * 512
    ),
    archive(
        pax(body=b"".join(record(*pair) for pair in ((b"GNU.sparse.size", b"2000"), (b"GNU.sparse.numblocks", b"2"), (b"GNU.sparse.offset", b"10"), (b"GNU.sparse.numbytes", b"5"), (b"GNU.sparse.offset", b"1000"), (b"GNU.sparse.numbytes", b"3")))),
        member(b"z", b"12345678"),
    ),
    archive(
        pax((b"GNU.sparse.size", b"2000"), (b"GNU.sparse.numblocks", b"1"), (b"GNU.sparse.map", b"0,4"), (b"GNU.sparse.name", b"n")),
        member(b"z", b"1234"),
    ),
    archive(pax(*_SPARSE_1, (b"GNU.sparse.realsize", b"90000"), (b"GNU.sparse.name", b"n")), member(b"z", padded(b"1\n7\n4\n") + b"1234")),
    archive(member(b".wh.gone"), member(b"d/.wh..wh..opq"), member(b"\xff\xfe", b"bytes"), header(b"fifo", flag=b"6")),
)  # fmt: skip
_PLAIN: Final = archive(member(b"etc/passwd", b"root:x:0:0\n" * 40), member(b"b", b"z" * 3000))
BLOBS: Final = (
    *(pack(_PLAIN) for packs in PACKERS.values() for pack in packs),
    gzip.compress(_PLAIN[:700]) + gzip.compress(b"") + gzip.compress(_PLAIN[700:]),
    gzip.compress(_PLAIN + archive(member(b"stargz.index.json", b"{}"))),
    gzip.compress(bytes(300_000)),
    bz2.compress(_PLAIN) + b"more",
    lzma.compress(_PLAIN)[:-5],
)
_FILES: Final = {
    "a/.env": b"A=1\n" * 9,
    "b": f"token {token_of('nested')}\n".encode(),
    "c.zip": zipped({"d": b"e" * 99}),
}
NESTED: Final = (
    *(make(_FILES) for make in NESTED_ARCHIVES.values()),
    *(pack(tarred(_FILES)) for pack in STREAMS.values()),
    *(hold(tuple(_FILES.values())) for hold in HOLDERS.values()),
)
_ONE, _TWO = small_layer(b"passwd", b"root:x"), small_layer(b".wh.passwd", b"")
_IMAGE: Final = Made(
    layers=(_ONE, _TWO, _ONE),
    settings={"Env": ["A=1"], "Labels": {"a": "b"}, "Healthcheck": {"Test": ["CMD", "true"]}},
    history=[{"created_by": "ADD a /"}, {"created_by": "ENV A=1", "empty_layer": True}, {"created_by": "RUN make"}],
)
ARCHIVES: Final = tuple(layout(_IMAGE) for layout in LAYOUTS.values())
_HOSTILE: Final = "a|b<img src=x>@org/team `x` [y](z)\x1b[31m\u202eevil\n::error::"
REPORTS: Final = (
    docker25(Made(layers=TARS)),
    legacy(Made(layers=(*TARS[8:], *TARS[:3]), names=(_HOSTILE,), settings={"User": _HOSTILE, "Env": [_HOSTILE]})),
    docker25(
        Made(
            layers=(
                archive(directory(b"d/"), member(b"d/" + _HOSTILE.encode(), b"x" * 2000), hardlink(b"e", b"d/f")),
                archive(member(b"d", b"y" * 300), member(b".wh.e"), member(b"f/.wh..wh..opq"), hardlink(b"g", b"d")),
                archive(directory(b"d/"), member(b"d/a", b"y" * 300, mode=0o4777), symlink(b"f", b"d")),
            ),
            history=[{"created_by": f"RUN {_HOSTILE}"}, {"created_by": "COPY . ."}, {"created_by": "|2 A=b C=d x"}],
        )
    ),
)

_CONFIG: Final = b"""{"os": "linux", "architecture": "amd64", "config": {"Env": ["A=b"], "Labels": {"x": "y"}, "Cmd": ["sh"],
"Healthcheck": {"Test": ["CMD", "true"]}, "ExposedPorts": {"80/tcp": {}}}, "rootfs": {"type": "layers", "diff_ids":
["sha256:{{3}}"]}, "history": [{"created_by": "/bin/sh -c #(nop) ADD file:1 in / "}, {"created_by": "RUN |1 A=b /bin/sh
-c make # buildkit", "comment": "c", "empty_layer": true}]}"""
_OCI: Final = b'{"config": {"digest": "sha256:{{3}}"}, "layers": [{"digest": "sha256:{{4}}", "mediaType": "t"}]}'
_INDEX: Final = b"""{"manifests": [{"digest": "sha256:{{2}}", "platform": {"os": "linux", "architecture": "amd64"},
"annotations": {"io.containerd.image.name": "docker.io/library/app:1"}}, {"digest": "sha256:{{5}}", "annotations":
{"vnd.docker.reference.type": "attestation-manifest", "vnd.docker.reference.digest": "sha256:{{2}}"}}]}"""
_ATTESTATION: Final = b'{"config": {"digest": "sha256:{{6}}"}, "layers": [{"digest": "sha256:{{6}}"}]}'
_NESTED: Final = b'{"manifests": [{"digest": "sha256:{{3}}"}, {"digest": "sha256:{{3}}"}]}'
_ELSEWHERE: Final = b'{"config": {"digest": "sha256:{{3}}"}, "layers": [{"digest": "sha256:%s", "urls": ["u"]}]}' % (
    b"0" * 64
)
_SAVED: Final = (
    b'[{"Config": "blobs/sha256/{{2}}", "RepoTags": ["app:1"], "Layers": ["blobs/sha256/{{3}}", "blobs/sha256/{{4}}"]}]'
)
_PART: Final = b"\n---\n"
MANIFESTS: Final = (
    _PART.join((_SAVED, b"", _CONFIG, b"layer", b"other")),
    _PART.join(
        (
            _SAVED.replace(b"{{2}}", b"{{3}}"),
            _INDEX,
            _OCI,
            _CONFIG,
            b"layer",
            _ATTESTATION,
            b'{"predicate": {"build-arg:A": "b"}}',
        )
    ),
    _PART.join((b"", b'{"manifests": [{"digest": "sha256:{{2}}"}]}', _OCI, _CONFIG.replace(b"3", b"4"), b"layer")),
    _PART.join((b"", b'{"manifests": [{"digest": "sha256:{{2}}"}]}', _NESTED, _OCI.replace(b"3", b"9"), b"x")),
    _PART.join((b"", b'{"manifests": [{"digest": "sha256:{{2}}"}]}', _ELSEWHERE, _CONFIG, b"layer")),
    _PART.join((b"null", b'{"manifests": null}')),
    _PART.join((dump([{"Config": "c", "Layers": None}]), b"")),
)
CREATED_BY: Final = (
    b"/bin/sh -c #(nop) COPY dir:1 in /app ",
    b"RUN |2 A=b c D=e /bin/bash -o pipefail -c make && make install # buildkit",
    b"|1 A=b /bin/sh -c make",
    b"/bin/sh -c #(nop) CMD [\"sh\"]|unsetLabel=true|a=b",
    b"cmd /S /C #(nop) ENV A=b",
    b"COPY --chown=1:1 . . # buildkit",
    b"sleep 1",
)  # fmt: skip
DOCKERFILES: Final = (
    b"# syntax=docker/dockerfile:1\n# escape=`\nARG A=1\nFROM a:$A AS b\nRUN <<E1 cat\nx\nE1\nCOPY --from=b --chmod=1 a b \\\n c\n",
    b'FROM scratch\nENV A=1 B="2 3"\nONBUILD ADD x /\nHEALTHCHECK --interval=1s CMD true\nCMD ["a", "b"]\n',
    b"FROM --platform=$BUILDPLATFORM a\nRUN --mount=type=secret,id=x,target=/y \\\n# comment\n\n  make\nLABEL a=b\n",
)
IGNORES: Final = (
    b"a/b/c\n# c\n*\n!a/**\n**/c\n[a-z]?\n\\#x\n/d/\n!\n",
    b"node_modules/x\n**/node_modules/**\n!*.js\nd[^a]e\n",
)

SEEDS: Final[dict[str, tuple[bytes, ...]]] = {
    "tar": TARS,
    "blob": BLOBS,
    "nested": NESTED,
    "archive": ARCHIVES,
    "report": REPORTS,
    "manifest": MANIFESTS,
    "created_by": CREATED_BY,
    "dockerfile": DOCKERFILES,
    "ignore": IGNORES,
}


def kept(name: str) -> tuple[bytes, ...]:
    """What `corpus/` keeps for a target, each packed with gzip: inputs that once failed, and some that reach far."""
    folder = Path(__file__).parent / "corpus" / name
    return tuple(gzip.decompress(path.read_bytes()) for path in sorted(folder.glob("*.gz")))
