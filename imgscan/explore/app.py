"""The terminal browser: layers, the files of the chosen one, findings; dive's keys. In: a scan and its report."""

from __future__ import annotations

import stat
from typing import ClassVar, Final

from rich.text import Text
from textual.app import App, ComposeResult
from textual.binding import Binding, BindingType
from textual.containers import Horizontal, Vertical
from textual.widgets import DataTable, Footer, Input, Static, TabbedContent, TabPane, Tree
from textual.widgets.tree import TreeNode

from imgscan.escape import path_text, plain, shorten
from imgscan.explore.tree import Change, Filter, ImageTree, Node, children
from imgscan.frozen import frozen
from imgscan.layers.listing import LayerListing
from imgscan.model import EntryKind, Finding, LayerReport, Report
from imgscan.report.summary import ordered, status_text, where
from imgscan.units import human_bytes, percent

_STYLES: Final = {
    Change.UNCHANGED: "",
    Change.ADDED: "green",
    Change.MODIFIED: "yellow",
    Change.REMOVED: "red strike",
}
_SEVERITIES: Final = {"critical": "bold red", "high": "red", "medium": "yellow", "low": "cyan", "info": "dim"}
_MOST_CHILDREN: Final = 2000


@frozen
class Explored:
    """What there is to look at: a report, and the listings of its layers, base first."""

    report: Report
    listings: tuple[LayerListing, ...]


class Explorer(App[None]):
    """Layers at the left, files and findings at the right."""

    CSS = """
    #left { width: 42%; }
    #layers { height: 55%; border: round $primary; }
    #details { height: 45%; border: round $primary; padding: 0 1; overflow-y: auto; }
    #files, #findings { height: 1fr; }
    #filter { display: none; dock: bottom; }
    #filter.shown { display: block; }
    TabbedContent { height: 1fr; }
    """
    # Ctrl+M is Enter in every terminal; the single letters are for that, and for terminals that keep the others.
    BINDINGS: ClassVar[list[BindingType]] = [
        Binding("q,ctrl+c", "quit", "Quit"),
        Binding("tab", "next_view", "Next view", priority=True),
        Binding("ctrl+f,slash", "filter", "Filter"),
        Binding("escape", "no_filter", "No filter", show=False),
        Binding("a,ctrl+a", "toggle_change('added')", "Added"),
        Binding("m", "toggle_change('modified')", "Modified"),
        Binding("r,ctrl+r", "toggle_change('removed')", "Removed"),
        Binding("u,ctrl+u", "toggle_change('unchanged')", "Unchanged"),
        Binding("c,ctrl+l", "only_changes", "Changes only"),
        Binding("s,ctrl+o", "sort", "Sort by size"),
        Binding("b,ctrl+b", "attributes", "Attributes"),
        Binding("f", "show_tab('findings-tab')", "Findings"),
        Binding("e", "show_tab('files-tab')", "Files", show=False),
    ]

    def __init__(self, explored: Explored) -> None:
        super().__init__()
        self.explored = explored
        self.trees = ImageTree(explored.listings)
        self.layer = max(len(explored.listings) - 1, 0)
        self.changes = frozenset(Change)
        self.pattern = ""
        self.by_size = False
        self.attributes = False
        self.found = ordered(explored.report.findings)
        self.paths: dict[int, bytes] = {}

    def compose(self) -> ComposeResult:
        """The widgets."""
        with Horizontal():
            with Vertical(id="left"):
                yield DataTable(id="layers", cursor_type="row")
                yield Static(id="details")
            with TabbedContent(id="tabs"):
                with TabPane("Files", id="files-tab"):
                    tree: Tree[Node] = Tree("/", id="files")
                    yield tree
                with TabPane(f"Findings ({len(self.found)})", id="findings-tab"):
                    yield DataTable(id="findings", cursor_type="row")
        yield Input(placeholder="a regular expression of paths; Escape ends it", id="filter")
        yield Footer()

    def on_mount(self) -> None:
        """Fill the tables and show the topmost layer."""
        self.title = "imgscan"
        report = self.explored.report
        layers = self.query_one("#layers", DataTable)
        layers.border_title = plain(report.target.ref)
        layers.add_columns("", "size", "wasted", "instruction")
        for layer in report.image.layers if report.image else ():
            layers.add_row(*_layer_row(layer))
        findings = self.query_one("#findings", DataTable)
        findings.add_columns("severity", "rule", "where")
        for finding in self.found:
            style = _SEVERITIES[finding.severity.value]
            findings.add_row(
                Text(finding.severity.value, style=style), plain(finding.rule_id), Text(plain(where(finding.location)))
            )
        self.query_one("#details", Static).border_title = "Layer"
        layers.move_cursor(row=self.layer)
        layers.focus()
        self.draw()

    def on_data_table_row_highlighted(self, event: DataTable.RowHighlighted) -> None:
        """Another layer, or finding, is chosen."""
        if event.data_table.id == "layers":
            # The cursor may have moved on since; it begins at the first row, before it is put on the topmost layer.
            row = event.data_table.cursor_row
            if row != self.layer:
                self.layer = row
                self.draw()
            self._describe_layer()
        elif event.data_table.has_focus and self.found:
            self._describe_finding(self.found[event.cursor_row])

    def on_data_table_row_selected(self, event: DataTable.RowSelected) -> None:
        """Enter on a finding goes to its layer and file."""
        if event.data_table.id == "findings" and self.found:
            self._go_to(self.found[event.cursor_row])

    def draw(self, to: bytes = b"") -> None:
        """The files of the chosen layer; `to` is a path to open and stand on."""
        tree: Tree[Node] = self.query_one("#files", Tree)
        tree.clear()
        self.paths = {}
        if not self.explored.listings:
            return
        root = self.trees.at(self.layer)
        tree.root.data = root
        tree.root.set_label(Text(f"/  {human_bytes(root.total_bytes)}"))
        self.paths[id(root)] = b""
        self._fill(tree.root)
        tree.root.expand()
        if to:
            self._open(tree, [part for part in to.split(b"/") if part])

    def on_tree_node_expanded(self, event: Tree.NodeExpanded[Node]) -> None:
        """What is below a folder is made when it is opened."""
        if not event.node.children:
            self._fill(event.node)

    def on_tree_node_highlighted(self, event: Tree.NodeHighlighted[Node]) -> None:
        """What is known of the path."""
        if event.node.data is not None and event.node.data.name and self.query_one("#files").has_focus:
            self._describe_node(event.node.data)

    def _fill(self, at: TreeNode[Node]) -> None:
        node = at.data
        if node is None:
            return
        shown = Filter(self.changes, self.pattern)
        path = self.paths.get(id(node), b"")
        count = 0
        for child in children(node, by_size=self.by_size):
            below = path + b"/" + child.name
            if not shown.shows(child, below):
                continue
            count += 1
            if count > _MOST_CHILDREN:
                at.add_leaf(Text(f"… and more than {_MOST_CHILDREN} others", style="dim"))
                return
            self.paths[id(child)] = below
            label = self._label(child)
            if child.children:
                opened = at.add(label, data=child)
                if self.pattern and len(self.paths) < _MOST_CHILDREN:
                    self._fill(opened)
                    opened.expand()
            else:
                at.add_leaf(label, data=child)

    def _label(self, node: Node) -> Text:
        name = plain(path_text(node.name)) + ("/" if node.is_directory else "")
        style = _STYLES[node.change] or ("yellow" if node.touched and node.is_directory else "")
        text = Text()
        if self.attributes:
            text.append(f"{_attributes(node)} ", style="dim")
        text.append(f"{human_bytes(node.total_bytes):>8} ", style="dim")
        text.append(name, style=style)
        if node.entry is not None and node.entry.target is not None and node.entry.kind is EntryKind.SYMLINK:
            text.append(f" → {plain(path_text(node.entry.target))}", style="dim")
        return text

    def _open(self, tree: Tree[Node], parts: list[bytes]) -> None:
        at = tree.root
        for part in parts:
            if not at.children:
                self._fill(at)
            at.expand()
            found = next((child for child in at.children if child.data is not None and child.data.name == part), None)
            if found is None:
                break
            at = found
        self.call_after_refresh(tree.move_cursor, at)

    def _go_to(self, finding: Finding) -> None:
        location = finding.location
        if location.layer is None or location.path is None or self.explored.report.image is None:
            self.notify("this finding is not in a file of a layer")
            return
        self.changes, self.pattern, self.layer = frozenset(Change), "", location.layer
        self.query_one("#layers", DataTable).move_cursor(row=location.layer)
        self.action_show_tab("files-tab")
        self.draw(location.path.encode("utf-8", "surrogateescape"))

    def _describe_layer(self) -> None:
        image = self.explored.report.image
        if image is None or self.layer >= len(image.layers):
            return
        layer = image.layers[self.layer]
        line = layer.dockerfile
        lines = [
            plain(layer.instruction or "an unknown instruction"),
            *([f"{plain(line.file)}:{line.line}"] if line else []),
            *(["from the base image"] if layer.from_base else []),
            f"{human_bytes(layer.size_bytes)}, {layer.entries} entries, {human_bytes(layer.reclaimable_bytes)} wasted",
            layer.diff_id,
            f"image: {human_bytes(image.size_bytes)}, {percent(image.efficiency)} efficient",
            "",
        ]
        waste = [item for item in image.waste if item.shipped_by == self.layer][:8]
        lines += [f"{human_bytes(item.bytes):>8} {item.cause.value} {plain(item.path)}" for item in waste]
        self._details("Layer", lines)

    def _describe_node(self, node: Node) -> None:
        path = plain(path_text(self.paths.get(id(node), node.name)))
        lines = [path, f"{human_bytes(node.total_bytes)}, {node.change.value}, from layer {node.layer}"]
        if node.entry is not None:
            lines.append(f"{_attributes(node)} {node.entry.kind.value}")
        here = [f for f in self.found if f.location.path == path]
        lines += ["", *(f"{f.severity} {f.rule_id}: {plain(f.message)}" for f in here[:5])]
        self._details("File", lines)

    def _describe_finding(self, finding: Finding) -> None:
        lines = [
            f"{finding.severity} {finding.rule_id}",
            plain(finding.message),
            status_text(finding),
            plain(finding.excerpt or ""),
            "",
            plain(finding.fix.text),
            "",
            "Enter: go to the file",
        ]
        self._details("Finding", lines)

    def _details(self, title: str, lines: list[str]) -> None:
        details = self.query_one("#details", Static)
        details.border_title = title
        # A Text, never a string: Textual reads markup in strings, and names of files may have some.
        details.update(Text("\n".join(lines)))

    def action_next_view(self) -> None:
        """From the layers to the files or findings, and back."""
        layers = self.query_one("#layers", DataTable)
        if not layers.has_focus:
            layers.focus()
            return
        active = self.query_one(TabbedContent).active
        self.query_one("#findings" if active == "findings-tab" else "#files").focus()

    def action_show_tab(self, name: str) -> None:
        """One of the two tabs at the right."""
        self.query_one(TabbedContent).active = name
        self.query_one("#findings" if name == "findings-tab" else "#files").focus()
        if name == "findings-tab" and self.found:
            self._describe_finding(self.found[self.query_one("#findings", DataTable).cursor_row])

    def action_toggle_change(self, name: str) -> None:
        """Show or hide what the layer did not change, added, modified, removed."""
        self.changes = self.changes ^ {Change(name)}
        self.draw()

    def action_only_changes(self) -> None:
        """What the layer changed, or everything."""
        everything = frozenset(Change)
        self.changes = everything - {Change.UNCHANGED} if Change.UNCHANGED in self.changes else everything
        self.draw()

    def action_sort(self) -> None:
        """By size, or by name."""
        self.by_size = not self.by_size
        self.draw()

    def action_attributes(self) -> None:
        """Modes and owners, or not."""
        self.attributes = not self.attributes
        self.draw()

    def action_filter(self) -> None:
        """Ask for a pattern."""
        box = self.query_one("#filter", Input)
        box.add_class("shown")
        box.focus()

    def action_no_filter(self) -> None:
        """Every path again."""
        box = self.query_one("#filter", Input)
        box.remove_class("shown")
        if box.value or self.pattern:
            box.value, self.pattern = "", ""
            self.draw()
        self.query_one("#files").focus()

    def on_input_submitted(self, event: Input.Submitted) -> None:
        """The pattern is there."""
        self.pattern = event.value
        event.input.remove_class("shown")
        self.query_one(TabbedContent).active = "files-tab"
        self.draw()
        self.query_one("#files").focus()


def _layer_row(layer: LayerReport) -> tuple[Text, ...]:
    style = "dim" if layer.from_base else ""
    vain = human_bytes(layer.reclaimable_bytes) if layer.reclaimable_bytes else "-"
    texts = (str(layer.index), human_bytes(layer.size_bytes), vain, shorten(plain(layer.instruction or ""), 80))
    return tuple(Text(text, style=style) for text in texts)


def _attributes(node: Node) -> str:
    entry = node.entry
    if entry is None:
        return f"{'?' * 10} {'?':>5}:{'?':<5}"
    kind = {EntryKind.DIRECTORY: stat.S_IFDIR, EntryKind.SYMLINK: stat.S_IFLNK}.get(entry.kind, stat.S_IFREG)
    return f"{stat.filemode(kind | (entry.mode & 0o7777))} {entry.uid:>5}:{entry.gid:<5}"
