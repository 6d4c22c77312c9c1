"""A second opinion on dive's figures: its trees as its own code builds and visits them (v0.13), node by node."""

from __future__ import annotations

from collections.abc import Sequence

from imgscan.layers.listing import AUFS_PREFIX, WHITEOUT_PREFIX, LayerListing
from imgscan.model import DiveMetrics, EntryKind


class _Node:
    """A path of one of dive's trees. `size` and `is_dir` are of the entry, 0 and False for a directory without one."""

    __slots__ = ("children", "is_dir", "size")

    def __init__(self) -> None:
        self.children: dict[bytes, _Node] = {}
        self.size = 0
        self.is_dir = False

    def add(self, path: bytes) -> _Node | None:
        """The node of a path, made with its parents; None from the first AUFS name on."""
        node = self
        for part in path.split(b"/"):
            child = node.children.get(part)
            if child is None:
                if part.startswith(AUFS_PREFIX):
                    return None
                child = node.children[part] = _Node()
            node = child
        return node


class _Efficiency:
    """Sizes by path over all layers: how often, how much, and the smallest."""

    def __init__(self) -> None:
        self._paths: dict[bytes, tuple[int, int, int]] = {}

    def see(self, path: bytes, size: int) -> None:
        count, total, least = self._paths.get(path, (0, 0, size))
        self._paths[path] = (count + 1, total + size, min(least, size))

    def efficiency(self) -> float:
        total = sum(entry[1] for entry in self._paths.values())
        return sum(entry[2] for entry in self._paths.values()) / total if total else 1.0

    def wasted_bytes(self) -> int:
        return sum(total for count, total, _ in self._paths.values() if count >= 2)


def dive_metrics(listings: Sequence[LayerListing]) -> DiveMetrics:
    """The figures dive would show. `user_wasted_percent` is a ratio, as dive has it, and 0.0 where dive divides by zero
    (an image of one layer)."""
    seen = _Efficiency()
    stacked = _Node()
    for index, listing in enumerate(listings):
        tree = _layer_tree(listing)
        # There is nothing below the first layer, and dive then looks into that layer itself.
        _visit_leaves(tree, stacked if index else tree, seen)
        _stack(tree, stacked)
    user_bytes = sum(listing.size_bytes for listing in listings[1:])
    wasted = seen.wasted_bytes()
    return DiveMetrics(
        efficiency=seen.efficiency(),
        wasted_bytes=wasted,
        user_wasted_percent=wasted / user_bytes if user_bytes else 0.0,
    )


def _layer_tree(listing: LayerListing) -> _Node:
    root = _Node()
    for item in sorted(listing.items, key=lambda item: item.order):
        node = root.add(item.path)
        if node is not None:
            node.size, node.is_dir = item.size_bytes, item.kind is EntryKind.DIRECTORY
    for path in listing.whiteouts:
        parent, slash, name = path.rpartition(b"/")
        root.add(parent + slash + WHITEOUT_PREFIX + name)
    for path in listing.opaques:
        # The marker itself is dropped, the directory it lies in is made.
        if path:
            root.add(path)
    return root


def _visit_leaves(tree: _Node, stacked: _Node, seen: _Efficiency) -> None:
    """Count every node without children, in the order of names, children first. A whiteout of what is not there ends
    the layer: dive's visitor gives up."""
    pending = [(b"", tree, iter(sorted(tree.children)))]
    while pending:
        path, node, names = pending[-1]
        name = next(names, None)
        if name is not None:
            child = node.children[name]
            pending.append((path + b"/" + name, child, iter(sorted(child.children))))
            continue
        pending.pop()
        if node is tree or node.children:
            continue
        size = _leaf_size(path, node, stacked)
        if size is None:
            return
        seen.see(_real_path(path), size)


def _leaf_size(path: bytes, node: _Node, stacked: _Node) -> int | None:
    if _real_path(path) == path:
        return node.size
    lower: _Node | None = stacked
    for part in _real_path(path)[1:].split(b"/"):
        lower = lower.children.get(part) if lower is not None else None
    if lower is None:
        return None
    return _subtree_size(lower) if lower.is_dir else 0


def _real_path(path: bytes) -> bytes:
    parent, slash, name = path.rpartition(b"/")
    return parent + slash + name.removeprefix(WHITEOUT_PREFIX)


def _subtree_size(node: _Node) -> int:
    total, pending = 0, [node]
    while pending:
        node = pending.pop()
        total += node.size
        pending.extend(node.children.values())
    return total


def _stack(tree: _Node, stacked: _Node) -> None:
    """Put a layer on what is below: its whiteouts cut, everything else is laid over, type flips keep the children."""
    pending = [(tree, stacked)]
    while pending:
        node, onto = pending.pop()
        for name, child in sorted(node.children.items()):
            if name.startswith(WHITEOUT_PREFIX) and not child.children:
                onto.children.pop(name.removeprefix(WHITEOUT_PREFIX), None)
                continue
            target = onto.children.get(name)
            if target is None:
                target = onto.children[name] = _Node()
            target.size, target.is_dir = child.size, child.is_dir
            pending.append((child, target))
