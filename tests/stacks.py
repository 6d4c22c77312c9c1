"""Random layer stacks as Dockerfiles, and two naive readings of what a real engine made of them.

Nothing of imgscan is used here: layers are read with `tarfile` into dictionaries, the visible tree is what the engine
exports of a container. Every write has a size of its own, so that a size tells which content a path has.
"""

from __future__ import annotations

import io
import json
import os
import posixpath
import random
import stat
import tarfile
from collections.abc import Iterator
from dataclasses import dataclass, field
from pathlib import Path

BUSYBOX = "busybox"
NAMES = ("a", "b", "c d", "$x")
"""`$x` is set to a name that is no UTF-8."""
P, Q = '"$p"', '"$q"'
SETUP = (
    "exec 2>/dev/null",
    "x=$(busybox printf 'e\\377')",
    # The path at that place, modulo their number, among those that are there.
    'pick() { n=$1; shift; busybox find /t "/u v" -mindepth 1 "$@" | busybox sort'
    " | busybox awk -v n=$n '{ l[NR] = $0 } END { if (NR) printf \"%s\", l[n % NR + 1] }'; }",
)
TOPS = ("/t", "/u v")
MADE_BY_ENGINES = frozenset(
    (b".dockerenv", b"etc/hostname", b"etc/hosts", b"etc/mtab", b"etc/resolv.conf", b"dev", b"proc", b"sys")
)
"""What engines put into every container, or leave of the mounts of a RUN; with all below it."""
SYMLINK_MODE = 0o777
"""What Linux gives every symbolic link, whatever an archive says."""


@dataclass(kw_only=True)
class Stack:
    """A random stack. `operations` go by layer; `dockerfile` needs a base with busybox."""

    seed: int
    operations: list[list[str]] = field(default_factory=list)

    def dockerfile(self, base: str, marker: str) -> str:
        """One RUN for each layer. An operation that the kernel refuses is part of the game."""
        scripts = ([f": {marker}", *SETUP, *operations, "true"] for operations in self.operations)
        return "\n".join([f"FROM {base}", *("RUN " + "; \\\n  ".join(script) for script in scripts)]) + "\n"


def make_stack(seed: int) -> Stack:
    """The stack of a seed: three to eight layers of up to a dozen operations on few names, so that they meet."""
    maker = _Maker(random.Random(seed))
    layers = maker.random.randint(2, 7)
    style = maker.random.choice((maker.any_operation, maker.any_operation, maker.chain_operation))
    stack = Stack(seed=seed, operations=[[maker.write() for _ in range(12)]])
    for _ in range(layers):
        stack.operations.append([style() for _ in range(maker.random.randint(0, 12))])
    return stack


class _Maker:
    """Makes operations: shell commands on `$p` and `$q`."""

    def __init__(self, source: random.Random) -> None:
        self.random = source
        self._writes = 0

    def path(self) -> str:
        """A path in double quotes, most often of depth two or three, whether it is there or not."""
        parts = [self.random.choice(NAMES) for _ in range(self.random.choice((1, 2, 2, 2, 3, 3, 4)))]
        return '"' + "/".join([self.random.choice(TOPS), *parts]) + '"'

    def there(self, tests: str = "") -> str:
        """A path that is there when the command runs and passes these tests of `find`; now and then any."""
        return self.path() if self.random.random() < 0.2 else f'"$(pick {self.random.randint(0, 999)} {tests})"'

    def new(self) -> str:
        """A path in a directory that is there; now and then any."""
        folder = self.there("-type d").strip('"')
        return f'"{folder}/{self.random.choice(NAMES)}"'

    def fill(self, how: str, path: str) -> str:
        """Write a number of bytes that no other write of the stack has; not to a pipe, where nobody would read them."""
        self._writes += 1
        size = self.random.randint(0, 20) * 512 + self._writes
        return f"[ -p {path} ] || busybox head -c {size} /dev/zero {how} {path}"

    def write(self, path: str | None = None) -> str:
        path = path or self.path()
        return f"busybox mkdir -p {parent(path)}; {self.fill('>', path)}"

    def any_operation(self) -> str:
        return self.random.choice(
            (
                *(self.write, self._write, self._append, self._append, self._remove, self._remove, self._remove_tree),
                *(self._remake, self._remake, self._mkdir, self._to_directory, self._to_file, self._to_symlink),
                *(self._symlink, self._chmod, self._chmod_tree, self._touch, self._link, self._link, self._link_over),
                *(self._append_to_linked, self._remove_linked, self._rename, self._rename, self._rename_over),
                *(self._copy, self._fifo, self._rewrite),
            )
        )()

    def chain_operation(self) -> str:
        """Removing and making again, at every depth, what earlier layers made and removed."""
        path = self.path()
        return self.random.choice(
            (
                *(f"busybox rm -rf {path}", f"busybox rm -rf {parent(path)}", self.write(path)),
                f"busybox rm -rf {path}; {self.write(path)}",
                f"busybox rm -rf {parent(path)}; {self.write(path)}",
                f"busybox rm -rf {path}; busybox mkdir -p {path}",
                f"busybox rm -rf {parent(parent(path))}; busybox mkdir -p {path}",
                f"busybox rm -rf {parent(path)}; busybox mkdir -p {parent(path)}; {self.write(path)}",
                *(self._remake(), self._remove_tree(), self._link(), self._remove_linked()),
            )
        )

    def _write(self) -> str:
        return f"p={self.new()}; {self.fill('>', P)}"

    def _append(self) -> str:
        return f"p={self.there('-type f')}; {self.fill('>>', P)}"

    def _append_to_linked(self) -> str:
        return f"p={self.there('-type f -links +1')}; {self.fill('>>', P)}"

    def _remove(self) -> str:
        return f"busybox rm -f {self.there('! -type d')}"

    def _remove_linked(self) -> str:
        return f"busybox rm -f {self.there('-type f -links +1')}"

    def _remove_tree(self) -> str:
        return f"busybox rm -rf {self.there('-type d')}"

    def _mkdir(self) -> str:
        return f"busybox mkdir -p {self.new()}"

    def _remake(self) -> str:
        filling = self.random.choice(("true", f"busybox mkdir {below(P, 'b')}", self.fill(">", below(P, "a"))))
        return f"p={self.there('-type d')}; busybox rm -rf {P}; busybox mkdir -p {P}; {filling}"

    def _rewrite(self) -> str:
        return f"p={self.there('-type f')}; busybox rm -rf {P}; {self.fill('>', P)}"

    def _to_directory(self) -> str:
        inside = below(P, self.random.choice(NAMES))
        return f"p={self.there('! -type d')}; busybox rm -rf {P}; busybox mkdir -p {P}; {self.fill('>', inside)}"

    def _to_file(self) -> str:
        return f"p={self.there('-type d')}; busybox rm -rf {P}; {self.fill('>', P)}"

    def _target(self) -> str:
        """What a symbolic link says."""
        somewhere = ('"../b"', '"a"', '"nowhere/at all"', '"/"', '"../../../../../x"', '"."')
        return self.random.choice((self.path(), self.there(), *somewhere))

    def _symlink(self) -> str:
        return f"busybox ln -s {self._target()} {self.new()}"

    def _to_symlink(self) -> str:
        return f"p={self.there()}; q={self._target()}; busybox rm -rf {P}; busybox ln -s {Q} {P}"

    def _chmod(self) -> str:
        mode = self.random.choice(("600", "644", "755", "4755", "2750", "1777"))
        return f"busybox chmod {mode} {self.there()}"

    def _chmod_tree(self) -> str:
        return f"busybox chmod -R {self.random.choice(('go-w', 'a+r', 'u+x', 'go-rx'))} {self.there('-type d')}"

    def _touch(self) -> str:
        return f"busybox touch -c {self.there()}"

    def _link(self) -> str:
        return f"busybox ln {self.there('! -type d')} {self.new()}"

    def _link_over(self) -> str:
        return f"busybox ln -f {self.there('-type f')} {self.there('-type f')}"

    def _rename(self) -> str:
        return f"busybox mv {self.there()} {self.new()}"

    def _rename_over(self) -> str:
        return f"p={self.there()}; q={self.there()}; busybox rm -rf {P}; busybox mv {Q} {P}"

    def _copy(self) -> str:
        # A copy onto a pipe would wait for somebody who reads it; one into itself would not end.
        return f"busybox timeout 2 busybox cp -a {self.there('! -type d')} {self.new()}"

    def _fifo(self) -> str:
        return f"busybox mkfifo {self.new()}"


def parent(path: str) -> str:
    """The directory of a quoted path, itself for those at the top: the root stays."""
    path = path.strip('"')
    return f'"{path if path in TOPS else posixpath.dirname(path)}"'


def below(path: str, name: str) -> str:
    return '"' + path.strip('"') + "/" + name + '"'


@dataclass(frozen=True, kw_only=True)
class Seen:
    """A path of a tree: `size_bytes` is that of the content, whichever of its names carries it; `content` is equal for
    the names of one file and differs between files."""

    kind: str
    mode: int
    size_bytes: int = 0
    target: bytes = b""
    content: object = field(default=None, compare=False)


def differences(one: dict[bytes, Seen], other: dict[bytes, Seen]) -> list[tuple[bytes, Seen | None, Seen | None]]:
    """What is not the same in two trees, hard links included; sorted by path."""
    differing = [path for path in {*one, *other} if one.get(path) != other.get(path)]
    differing += [path for names in groups(one) ^ groups(other) for path in names]
    return [(path, one.get(path), other.get(path)) for path in sorted(set(differing))]


def groups(tree: dict[bytes, Seen]) -> set[frozenset[bytes]]:
    """The names of each file that has several."""
    by_content: dict[object, set[bytes]] = {}
    for path, seen in tree.items():
        if seen.kind == "file":
            by_content.setdefault(seen.content, set()).add(path)
    return {frozenset(names) for names in by_content.values() if len(names) > 1}


def content_bytes(tree: dict[bytes, Seen]) -> int:
    """The bytes of all files, each counted once however many names it has."""
    return sum({seen.content: seen.size_bytes for seen in tree.values() if seen.kind == "file"}.values())


def is_engines(path: bytes) -> bool:
    """Whether a path is one that engines make themselves."""
    parts = path.split(b"/")
    return any(b"/".join(parts[:depth]) in MADE_BY_ENGINES for depth in range(1, len(parts) + 1))


def members(data: bytes) -> Iterator[tuple[bytes, tarfile.TarInfo]]:
    """The entries of a layer or an export, plain or compressed by gzip, names without slashes at their ends."""
    with tarfile.open(fileobj=io.BytesIO(data)) as archive:
        for member in archive:
            path = os.fsencode(member.name).removeprefix(b"./").strip(b"/")
            if path not in (b"", b"."):
                yield path, member


def exported_tree(data: bytes) -> dict[bytes, Seen]:
    """The tree that `docker export` gives."""
    tree: dict[bytes, Seen] = {}
    for path, member in members(data):
        tree[path] = seen(path, member, tree)
    return tree


def seen(path: bytes, member: tarfile.TarInfo, tree: dict[bytes, Seen]) -> Seen:
    """One entry; a hard link is what it links to."""
    mode = stat.S_IMODE(member.mode)
    if member.islnk():
        return tree[os.fsencode(member.linkname).removeprefix(b"./").strip(b"/")]
    if member.issym():
        return Seen(kind="symlink", mode=SYMLINK_MODE, target=os.fsencode(member.linkname))
    if member.isreg():
        return Seen(kind="file", mode=mode, size_bytes=member.size, content=object())
    return Seen(kind="directory" if member.isdir() else "fifo" if member.isfifo() else "device", mode=mode)


def saved_layers(path: Path) -> list[bytes]:
    """The layers of a `docker save`, base first, links between them followed."""
    with tarfile.open(path) as archive:
        listed = archive.extractfile("manifest.json")
        assert listed is not None
        (entry,) = json.load(listed)
        layers: list[bytes] = []
        for name in entry["Layers"]:
            member = archive.getmember(name)
            while member.issym():
                member = archive.getmember(
                    posixpath.normpath(posixpath.join(posixpath.dirname(member.name), member.linkname))
                )
            file = archive.extractfile(member)
            assert file is not None
            layers.append(file.read())
    return layers


@dataclass(frozen=True, kw_only=True)
class Naive:
    """Layers put on each other by hand. `lost` has the bytes by the layer that shipped them and the one after which
    they had no name any more; `shipped` has every entry of every layer, hard links as what they link to; `fates` says
    of each of their files that is not there any more by which layer its name went, and whether that layer put something
    else there."""

    size_bytes: int
    tree: dict[bytes, Seen]
    lost: dict[tuple[int, int], int]
    shipped: dict[tuple[int, bytes], Seen]
    fates: dict[tuple[int, bytes], tuple[int, bool]]


def stack_naively(layers: list[bytes]) -> Naive:
    """By the rules of the OCI image specification, with one flat dictionary that is searched for every whiteout."""
    tree: dict[bytes, Seen] = {}
    shipped: dict[object, tuple[int, int]] = {}
    lost: dict[tuple[int, int], int] = {}
    entries_of: dict[tuple[int, bytes], Seen] = {}
    home: dict[bytes, int] = {}
    gone: dict[tuple[int, bytes], tuple[int, bool]] = {}
    total = 0
    for index, layer in enumerate(layers):
        entries = list(members(layer))
        for path, _ in entries:
            folder, _, name = path.rpartition(b"/")
            if name == b".wh..wh..opq":
                _cut(tree, folder, keep=True)
            elif name.startswith(b".wh."):
                _cut(tree, (folder + b"/" if folder else b"") + name[4:], keep=False)
        own: dict[bytes, Seen] = {}
        for path, member in entries:
            if path.rpartition(b"/")[2].startswith(b".wh."):
                continue
            own[path] = added = seen(path, member, own)
            if member.isreg():
                total += member.size
                shipped[added.content] = (index, member.size)
            if not member.isdir() or (path in tree and tree[path].kind != "directory"):
                _cut(tree, path, keep=False)
            tree[path] = added
            entries_of[index, path] = added
        before, home = home, {path: index if path in own else home[path] for path in tree}
        gone |= {(by, path): (index, path in own) for path, by in before.items() if home.get(path) != by}
        alive = {entry.content for entry in tree.values()}
        for content in [content for content in shipped if content not in alive]:
            shipper, size = shipped.pop(content)
            if size:
                lost[shipper, index] = lost.get((shipper, index), 0) + size
    there = {entry.content for entry in tree.values() if entry.kind == "file"}
    fates = {
        key: fate
        for key, fate in gone.items()
        if entries_of[key].kind == "file" and entries_of[key].content not in there
    }
    return Naive(size_bytes=total, tree=tree, lost=lost, shipped=entries_of, fates=fates)


def _cut(tree: dict[bytes, Seen], path: bytes, *, keep: bool) -> None:
    """Remove a path, or only (`keep`) what is below it."""
    start = path + b"/" if path else b""
    for name in [name for name in tree if name.startswith(start) or (name == path and not keep)]:
        del tree[name]
