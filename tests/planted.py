"""An image with a secret in every kind of place: what to build, and what has to be found where.

Each secret is a token of its own, put together at run time, so that a report says by fingerprint which it has found.
"""

from __future__ import annotations

import base64
import bz2
import gzip
import hashlib
import io
import json
import lzma
import sqlite3
import sys
import tarfile
import zipfile
import zlib
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import Final

from backports import zstd
from secretmaker import token_of

from imgscan.rulebook import fingerprint

RULE: Final = "secret-github-token"
BIG_BYTES: Final = 301_000_000
MANY: Final = 12_500
MANY_AT: Final = 12_002


@dataclass(frozen=True, slots=True, kw_only=True)
class Planted:
    """A secret and where it must be told to lie: the kind of `place`, its `path` (a beginning of it, since what is in
    an archive lies behind the archive's), the `status`, and words of the `instruction` that ships it."""

    name: str
    token: str = field(repr=False)
    place: str = "file"
    path: str = ""
    status: str | None = "visible"
    instruction: str = "COPY root/"

    @property
    def fingerprint(self) -> str:
        """The finding's."""
        identity = hashlib.sha256(f"{RULE}\0{self.token}".encode()).hexdigest()
        return fingerprint(RULE, "strong", identity)


@dataclass(frozen=True, slots=True, kw_only=True)
class Plot:
    """All of it: the build's input, and what is expected."""

    dockerfile: str = field(repr=False)
    files: Mapping[str, bytes] = field(repr=False)
    build_args: Mapping[str, str] = field(repr=False)
    planted: tuple[Planted, ...]


Plant = Callable[[str], bytes]
"""Makes a file's content around a token."""


def _text(token: str) -> bytes:
    """A few lines, and enough more of them that whatever compresses them does so."""
    more = "more of the same\n" * 40
    return f"first line\n{more}token = {token}\nlast line\n".encode()


def _zip(files: Mapping[str, bytes], method: int = zipfile.ZIP_DEFLATED) -> bytes:
    buffer = io.BytesIO()
    with zipfile.ZipFile(buffer, "w", method) as archive:
        for name, data in files.items():
            archive.writestr(zipfile.ZipInfo(name), data, compress_type=method)
    return buffer.getvalue()


def _tar(files: Mapping[str, bytes]) -> bytes:
    buffer = io.BytesIO()
    with tarfile.open(fileobj=buffer, mode="w") as archive:
        for name, data in files.items():
            member = tarfile.TarInfo(name)
            member.size = len(data)
            archive.addfile(member, io.BytesIO(data))
    return buffer.getvalue()


def _ar(files: Mapping[str, bytes]) -> bytes:
    """What dpkg-deb and ar write."""
    parts = [b"!<arch>\n"]
    for name, data in files.items():
        parts.append(f"{name:<16}{0:<12}{0:<6}{0:<6}{'100644':<8}{len(data):<10}`\n".encode())
        parts.append(data + b"\n" * (len(data) % 2))
    return b"".join(parts)


def _deb(token: str) -> bytes:
    return _ar(
        {
            "debian-binary": b"2.0\n",
            "control.tar.gz": gzip.compress(_tar({"./control": b"Package: x\n"})),
            "data.tar.xz": lzma.compress(_tar({"./etc/x.conf": _text(token)})),
        }
    )


def _sqlite(token: str) -> bytes:
    with TemporaryDirectory() as folder:
        path = Path(folder) / "a.db"
        with sqlite3.connect(path) as connection:
            connection.execute("CREATE TABLE t (a TEXT)")
            connection.execute("INSERT INTO t VALUES (?)", (token,))
        connection.close()
        return path.read_bytes()


def _pyc(token: str) -> bytes:
    import importlib.util
    import marshal

    code = compile(f"TOKEN = {token!r}\n", "a.py", "exec")
    return importlib.util.MAGIC_NUMBER + bytes(12) + marshal.dumps(code)


def _elf(token: str) -> bytes:
    head = Path(sys.executable).resolve().read_bytes()[: 1 << 20]
    return head[:700_000] + b"\0" + token.encode() + b"\0" + head[700_000:]


def _git_object(token: str) -> bytes:
    text = _text(token)
    return zlib.compress(b"blob %d\0" % len(text) + text)


def _encoded(token: str) -> str:
    return base64.b64encode(token.encode()).decode()


def _docker_config(token: str) -> bytes:
    auth = base64.b64encode(f"ci:{token}".encode()).decode()
    return json.dumps({"auths": {"registry.internal": {"auth": auth}}}).encode()


def _kubernetes(token: str) -> bytes:
    return f"apiVersion: v1\nkind: Secret\ndata:\n  token: {_encoded(token)}\n".encode()


def _pull_secret(token: str) -> bytes:
    return b"kind: Secret\ndata:\n  .dockerconfigjson: " + base64.b64encode(_docker_config(token)) + b"\n"


def _wrapped(token: str) -> bytes:
    return base64.encodebytes(b"k" * 500 + _text(token) + b"z" * 500)


def _at_window_edge(token: str) -> bytes:
    return b"x" * ((1 << 20) - 20) + b" " + token.encode() + b" " + b"y" * (1 << 20)


def _minified(token: str) -> bytes:
    return b'var a="b";' * 500_000 + f'var t="{token}";'.encode() + b'var c="d";' * 1000


def _png(token: str) -> bytes:
    return b"\x89PNG\r\n\x1a\n" + bytes(range(256)) * 20 + b"tEXtComment\0" + token.encode() + bytes(200)


IN_FILES: Final[Mapping[str, tuple[str, Plant]]] = {
    "plain": ("plant/plain.txt", _text),
    "env-file": ("app/.env", lambda token: f"GITHUB_TOKEN={token}\n".encode()),
    "npmrc": ("root/.npmrc", lambda token: f"//npm.internal/:_authToken={token}\n".encode()),
    "pypirc": ("root/.pypirc", lambda token: f"[pypi]\nusername = x\npassword = {token}\n".encode()),
    "netrc": ("root/.netrc", lambda token: f"machine github.internal login x password {token}\n".encode()),
    "git-config": (
        "app/.git/config",
        lambda token: f'[remote "o"]\n\turl = https://x:{token}@git.internal/a\n'.encode(),
    ),
    "git-credentials": ("root/.git-credentials", lambda token: f"https://x:{token}@git.internal\n".encode()),
    "docker-config": ("root/.docker/config.json", _docker_config),
    "kubernetes-secret": ("plant/secret.yaml", _kubernetes),
    "pull-secret": ("plant/pull.yaml", _pull_secret),
    "kubeconfig": ("root/.kube/config", lambda token: f"users:\n- user:\n    token: {token}\n".encode()),
    "terraform-state": (
        "plant/terraform.tfstate",
        lambda token: json.dumps({"outputs": {"t": {"value": token}}}).encode(),
    ),
    "shell-history": ("root/.bash_history", lambda token: f"ls\ncurl -H 'X: {token}' git.internal\n".encode()),
    "notebook": ("plant/a.ipynb", lambda token: json.dumps({"cells": [{"source": [f"t = '{token}'\n"]}]}).encode()),
    "source-map": ("plant/a.js.map", lambda token: json.dumps({"sourcesContent": [f"let t = '{token}'"]}).encode()),
    "share-doc": ("usr/share/doc/plant/README", _text),
    "tests": ("plant/tests/test_a.py", _text),
    "site-packages": ("usr/local/lib/python3.11/site-packages/plant/a.py", _text),
    "dist-packages": ("usr/lib/python3/dist-packages/plant.py", _text),
    "node-modules": ("app/node_modules/plant/index.js", _text),
    "lock-file": ("app/package-lock.json", lambda token: f'{{"resolved": "https://x/{token}/a"}}'.encode()),
    "go-sum": ("app/go.sum", lambda token: f"x v1 h1:{token}=\n".encode()),
    "png": ("plant/a.png", _png),
    "pdf": ("plant/a.pdf", lambda token: b"%PDF-1.4\n1 0 obj\n(" + token.encode() + b")\nendobj\n%%EOF"),
    "binary": ("plant/a.bin", lambda token: bytes(range(256)) * 99 + token.encode() + bytes(range(256))),
    "elf": ("usr/local/bin/plant", _elf),
    "pyc": ("plant/__pycache__/a.cpython-311.pyc", _pyc),
    "sqlite": ("plant/a.sqlite", _sqlite),
    "utf-16-le": ("plant/le.txt", lambda token: f"token = {token}\r\n".encode("utf-16-le")),
    "utf-16-be": ("plant/be.txt", lambda token: f"token = {token}\r\n".encode("utf-16")),
    "utf-8-bom": ("plant/bom.env", lambda token: b"\xef\xbb\xbf" + f"T={token}\n".encode()),
    "minified": ("plant/a.min.js", _minified),
    "window-edge": ("plant/edge.txt", _at_window_edge),
    "base64-wrapped": ("plant/wrapped.b64", _wrapped),
    "gzip": ("plant/a.log.gz", lambda token: gzip.compress(_text(token))),
    "gzip-member": ("plant/b.log.gz", lambda token: gzip.compress(b"first\n") + gzip.compress(_text(token))),
    "bzip2": ("plant/a.log.bz2", lambda token: bz2.compress(_text(token))),
    "xz": ("plant/a.log.xz", lambda token: lzma.compress(_text(token))),
    "zstd": ("plant/a.log.zst", lambda token: zstd.compress(_text(token))),
    "tar": ("plant/a.tar", lambda token: _tar({"d/x.txt": _text(token)})),
    "tar-gzip": ("plant/a.tgz", lambda token: gzip.compress(_tar({"d/x.txt": _text(token)}))),
    "tar-zstd": ("plant/a.tar.zst", lambda token: zstd.compress(_tar({"d/x.txt": _text(token)}))),
    "zip": ("plant/a.zip", lambda token: _zip({"d/x.txt": _text(token)})),
    "zip-stored": ("plant/b.zip", lambda token: _zip({"d/x.txt": _text(token)}, zipfile.ZIP_STORED)),
    "zip-bzip2": ("plant/c.zip", lambda token: _zip({"d/x.txt": _text(token)}, zipfile.ZIP_BZIP2)),
    "jar": ("plant/a.jar", lambda token: _zip({"META-INF/MANIFEST.MF": b"a: b\n", "a.properties": _text(token)})),
    "jar-in-war": ("plant/a.war", lambda token: _zip({"WEB-INF/lib/a.jar": _zip({"a.properties": _text(token)})})),
    "wheel": ("plant/a-1-py3-none-any.whl", lambda token: _zip({"a/__init__.py": _text(token)})),
    "deb": ("plant/a.deb", _deb),
    "tgz-in-zip-in-tar": (
        "plant/deep.tar",
        lambda token: _tar({"b.zip": _zip({"c.tgz": gzip.compress(_tar({"d.txt": _text(token)}))})}),
    ),
    "git-object": ("app/.git/objects/0a/" + "1b" * 19, _git_object),
    "long-path": ("plant/" + "deep/" * 40 + "x.txt", _text),
    "odd-name": ("plant/a\nb\x1b[31m.txt", _text),
}
"""By name: the path below the root and the content."""


def plot() -> Plot:
    """The build and what it plants."""
    planted: list[Planted] = []

    def token(name: str, **where: str | None) -> str:
        made = token_of(f"planted {name}")
        planted.append(Planted(name=name, token=made, **where))  # type: ignore[arg-type]
        return made

    files = {f"root/{path}": make(token(name, path=f"/{path}")) for name, (path, make) in IN_FILES.items()}
    files |= {
        "gone.txt": _text(token("deleted", path="/plant/gone.txt", status="deleted", instruction="COPY gone.txt")),
        "dir/x.txt": _text(token("deleted-folder", path="/plant/dir/x.txt", status="deleted", instruction="COPY dir")),
        "old.txt": _text(
            token("overwritten", path="/plant/over.txt", status="overwritten", instruction="COPY old.txt")
        ),
        "new.txt": b"nothing\n",
        "opaque/x.txt": _text(
            token("replaced-folder", path="/plant/opaque/x.txt", status="deleted", instruction="COPY opaque")
        ),
        "flip": _text(token("file-to-folder", path="/plant/flip", status="overwritten", instruction="COPY flip")),
        "many.tar": _many(token("entry-12002", path=f"/plant/many/{MANY_AT:05}", instruction="ADD many.tar")),
        "tail.txt": token("past-300-mb", path="/plant/big.log", instruction="RUN head -c").encode() + b"\n",
    }
    named = token("file-name", path="/plant/named-", instruction="RUN touch")
    target = token("link-target", path="/plant/link", instruction="RUN touch")
    built = token("used-build-argument", place="history", path="history", status=None)
    dockerfile = f"""\
FROM imgscan-base/debian:slim
ENV PLANT_OLD={token("overwritten-env", place="history", path="history", status=None)}
ENV PLANT_OLD=replaced
ENV PLANT_NEW={token("env", place="env", path="ENV PLANT_NEW", status=None)}
LABEL plant.label={token("label", place="label", path="LABEL plant.label", status=None)}
COPY root/ /
COPY gone.txt /plant/gone.txt
COPY dir/ /plant/dir/
COPY old.txt /plant/over.txt
COPY opaque/ /plant/opaque/
COPY flip /plant/flip
ADD many.tar /plant/many/
RUN rm /plant/gone.txt /plant/flip && rm -r /plant/dir && mkdir /plant/flip # MARKER
COPY new.txt /plant/over.txt
RUN rm -r /plant/opaque && mkdir /plant/opaque && touch /plant/opaque/y # MARKER
COPY tail.txt /tmp/tail.txt
RUN head -c {BIG_BYTES} /dev/zero | tr '\\0' 'x' > /plant/big.log && echo >> /plant/big.log \\
 && cat /tmp/tail.txt >> /plant/big.log && rm /tmp/tail.txt # MARKER
RUN touch /plant/named-{named} && ln -s /run/{target} /plant/link && : # MARKER
ARG PLANT_ARG={token("default-of-an-argument", place="history", path="history", status=None)}
ARG PLANT_USED
RUN : # MARKER
RUN echo {token("run", place="history", path="history", status=None)} > /dev/null # MARKER
WORKDIR /srv/{token("workdir", place="config", path="WorkingDir", status=None)}
VOLUME /data/{token("volume", place="config", path="configuration", status=None)}
ONBUILD ENV PLANT={token("onbuild", place="onbuild", path="ONBUILD[0]", status=None)}
HEALTHCHECK CMD curl -H "X-Token: {token("healthcheck", place="healthcheck", path="HEALTHCHECK", status=None)}" x
SHELL ["/bin/sh", "-e", "-c", "{token("shell", place="config", path="configuration", status=None)}"]
ENTRYPOINT ["run", "{token("entrypoint", place="entrypoint", path="ENTRYPOINT", status=None)}"]
CMD ["--token", "{token("cmd", place="cmd", path="CMD", status=None)}"]
USER {token("user", place="config", path="User", status=None)}
"""
    return Plot(dockerfile=dockerfile, files=files, build_args={"PLANT_USED": built}, planted=tuple(planted))


def _many(token: str) -> bytes:
    return _tar({f"{number:05}": token.encode() if number == MANY_AT else b"%d" % number for number in range(MANY)})
