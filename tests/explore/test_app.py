"""The terminal browser, driven as a user does: keys in, what stands on the screen out."""

from __future__ import annotations

import asyncio
from collections import Counter
from collections.abc import Awaitable, Callable
from dataclasses import replace
from typing import Any

import msgspec
from fakes import HOSTILE, finding, image, layer, report
from textual.pilot import Pilot
from textual.widgets import DataTable, Static, TabbedContent, Tree

from imgscan.explore.app import Explored, Explorer
from imgscan.layers.blocks import Blocks, BlockWriter, ListedEntry
from imgscan.layers.listing import LayerListing
from imgscan.model import EntryKind, Location, Place

Steps = Callable[[Explorer, Pilot[Any]], Awaitable[None]]


def listing(files: dict[str, int], whiteouts: tuple[str, ...] = ()) -> LayerListing:
    writer = BlockWriter()
    for order, (path, size) in enumerate(files.items()):
        writer.add(
            ListedEntry(path=path.encode(), kind=EntryKind.FILE, size_bytes=size, mode=0o640, uid=7, gid=8, order=order)
        )
    return LayerListing(
        diff_id=None, digest=None, size_bytes=0, entries=len(files), items=writer.finish()[0],
        whiteouts=tuple(path.encode() for path in whiteouts),
    )  # fmt: skip


def explored(name: str = "env") -> Explored:
    found = finding(
        message=f"a secret in {name}",
        location=Location(place=Place.FILE, layer=0, path=f"/app/{name}", line=1),
        excerpt=name,
    )
    made = report(
        image=image(layers=(layer(0, from_base=True), layer(1, instruction=f"COPY {name} .")), waste=()),
        findings=(found,),
    )
    first = listing({f"app/{name}": 100, "app/lib/a": 10, "app/lib/b": 20, "etc/x": 1})
    return Explored(report=made, listings=(first, listing({"app/lib/b": 300, "new": 5}, (f"app/{name}",))))


def drive(steps: Steps, shown: Explored | None = None) -> None:
    async def main() -> None:
        app = Explorer(shown or explored())
        async with app.run_test(size=(150, 40)) as pilot:
            await pilot.pause()
            await steps(app, pilot)

    asyncio.run(main())


def labels(app: Explorer) -> list[str]:
    tree = app.query_one("#files", Tree)
    return [" ".join(str(child.label).split()) for child in tree.root.children]


def details(app: Explorer) -> str:
    return str(app.query_one("#details", Static).render())


def test_it_begins_with_the_topmost_layer() -> None:
    async def steps(app: Explorer, pilot: Pilot[Any]) -> None:
        assert app.layer == 1
        assert labels(app) == ["310 B app/", "1 B etc/", "5 B new"]
        assert "COPY env ." in details(app)

    drive(steps)


class CountingStore:
    """Blocks as they are, and how often each was read."""

    def __init__(self, blocks: Blocks) -> None:
        self.blocks = blocks
        self.reads: Counter[int] = Counter()

    def read(self, number: int) -> bytes:
        self.reads[number] += 1
        return self.blocks.raw(number)


def test_the_first_picture_reads_each_layer_once() -> None:
    whole = explored()
    stores = [CountingStore(one.items) for one in whole.listings]
    listings = tuple(
        msgspec.structs.replace(one, items=Blocks(one.items.index, store))
        for one, store in zip(whole.listings, stores, strict=True)
    )

    async def steps(app: Explorer, pilot: Pilot[Any]) -> None:
        assert [store.reads for store in stores] == [{0: 1}, {0: 1}]
        await pilot.press("up")
        await pilot.pause()
        assert [store.reads for store in stores] == [{0: 2}, {0: 1}]

    drive(steps, replace(whole, listings=listings))


def test_another_layer_has_another_tree() -> None:
    async def steps(app: Explorer, pilot: Pilot[Any]) -> None:
        await pilot.press("up")
        await pilot.pause()
        assert labels(app) == ["130 B app/", "1 B etc/"]
        assert "from the base image" in details(app)

    drive(steps)


def test_changes_are_shown_and_hidden() -> None:
    async def steps(app: Explorer, pilot: Pilot[Any]) -> None:
        await pilot.press("c")
        assert labels(app) == ["310 B app/", "5 B new"]
        await pilot.press("a")
        assert labels(app) == ["310 B app/"]
        await pilot.press("m", "r")
        assert labels(app) == []
        await pilot.press("a", "m", "r", "u")
        assert labels(app) == ["310 B app/", "1 B etc/", "5 B new"]

    drive(steps)


def test_sorting_and_attributes() -> None:
    async def steps(app: Explorer, pilot: Pilot[Any]) -> None:
        await pilot.press("s")
        assert labels(app) == ["310 B app/", "5 B new", "1 B etc/"]
        await pilot.press("b")
        assert labels(app)[1] == "-rw-r----- 7:8 5 B new"

    drive(steps)


def test_a_filter_opens_what_it_finds() -> None:
    async def steps(app: Explorer, pilot: Pilot[Any]) -> None:
        await pilot.press("slash", *"lib", "enter")
        await pilot.pause()
        assert labels(app) == ["310 B app/"]
        (folder,) = app.query_one("#files", Tree).root.children
        assert folder.is_expanded
        await pilot.press("slash", "escape")
        await pilot.pause()
        assert len(labels(app)) == 3

    drive(steps)


def test_enter_on_a_finding_goes_to_its_file() -> None:
    async def steps(app: Explorer, pilot: Pilot[Any]) -> None:
        await pilot.press("f")
        await pilot.pause()
        assert "a secret in env" in details(app)
        await pilot.press("enter")
        await pilot.pause()
        await pilot.pause()
        assert app.layer == 0
        assert app.query_one(TabbedContent).active == "files-tab"
        at = app.query_one("#files", Tree).cursor_node
        assert at is not None
        assert "env" in str(at.label)

    drive(steps)


def test_tab_goes_from_the_layers_to_the_files_and_back() -> None:
    async def steps(app: Explorer, pilot: Pilot[Any]) -> None:
        assert app.query_one("#layers").has_focus
        await pilot.press("tab")
        assert app.query_one("#files").has_focus
        await pilot.press("tab")
        assert app.query_one("#layers").has_focus

    drive(steps)


def test_names_are_no_markup() -> None:
    name = HOSTILE.replace("/", "") + "[bold]x[@click=app.quit]y"

    async def steps(app: Explorer, pilot: Pilot[Any]) -> None:
        await pilot.press("up", "tab", "down", "enter")
        await pilot.pause()
        tree = app.query_one("#files", Tree)
        texts = [str(child.label) for node in tree.root.children for child in node.children]
        assert any("[bold]x" in text for text in texts)
        assert not any("\x1b" in text or "\u202e" in text for text in texts)
        await pilot.press("f")
        await pilot.pause()
        assert "[@click=app.quit]y" in details(app)
        assert "\x1b" not in details(app)

    drive(steps, explored(name))


def test_an_image_of_nothing() -> None:
    async def steps(app: Explorer, pilot: Pilot[Any]) -> None:
        await pilot.press("tab", "f", "enter", "c", "s", "tab")
        assert app.query_one("#layers", DataTable).row_count == 0

    empty = replace(explored(), report=report(image=image(layers=(), waste=()), findings=()), listings=())
    drive(steps, empty)
