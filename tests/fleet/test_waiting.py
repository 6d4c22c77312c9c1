"""Images go out once everything they wait for has come in, in whatever order it comes."""

from __future__ import annotations

from collections.abc import Collection
from dataclasses import replace
from random import Random

import pytest
from fleetruns import make_task, want
from hypothesis import given
from hypothesis import strategies as st

from imgscan.fleet.lookup import Resolved
from imgscan.fleet.plan import layer_tasks
from imgscan.fleet.waiting import Waiting
from imgscan.fleets import BlobToRead, LayerTask
from imgscan.source import Image, ImageConfig

NOBODY = Image(ref="", image_id="", platform=None, config=ImageConfig(), raw_config=b"", layers=())


def image(name: str, *layers: str, kind: str = "registry", vouched: bool = True) -> Resolved:
    return Resolved(
        wanted=want(name),
        kind=kind,
        ref=name,
        host="",
        key=name,
        image=NOBODY,
        documents=(),
        skipped=(),
        blobs=tuple(BlobToRead(blob=layer, diff_id=layer, digest=layer, size_bytes=len(layer)) for layer in layers),
        team="",
        created="",
        vouched=vouched,
    )


def names(images: list[Resolved]) -> list[str]:
    return [image.ref for image in images]


def plan(
    *images: Resolved, kept: tuple[str, ...] = (), proven: Collection[tuple[str, str]] = ()
) -> tuple[Waiting, list[LayerTask]]:
    tasks = layer_tasks(images, kept, make_task, proven)
    return Waiting(images, kept, tasks), tasks


def test_what_is_kept_is_not_waited_for() -> None:
    waiting, tasks = plan(image("a", "1", "2"), image("b", "1"), kept=("1",))
    assert [blob.diff_id for task in tasks for blob in task.blobs] == ["2"]
    assert names(waiting.ready()) == ["b"]
    assert waiting.ready() == []
    waiting.arrived(tasks[0].blobs[0])
    assert names(waiting.ready()) == ["a"]


def test_each_distinct_layer_is_read_once_the_largest_first() -> None:
    _, tasks = plan(image("a", "1", "333"), image("b", "1", "22"), image("c", "333", "22"))
    assert [task.blobs[0].diff_id for task in tasks] == ["333", "22", "1"]


def test_the_smallest_form_of_a_layer_is_read() -> None:
    large = replace(image("a", "x"), blobs=(BlobToRead(blob="l", diff_id="x", digest="l", size_bytes=9),))
    small = replace(image("b", "x"), blobs=(BlobToRead(blob="s", diff_id="x", digest="s", size_bytes=3),))
    _, tasks = plan(large, small)
    assert [(task.ref, task.blobs[0].blob, task.blobs[0].is_kept) for task in tasks] == [
        ("a", "l", True),
        ("b", "s", False),
    ]


def test_who_could_lie_is_looked_at() -> None:
    """The layer of an archive is read for another image: the archive's own still has to be seen to be that one."""
    waiting, tasks = plan(image("r", "1"), image("f", "1", kind="archive", vouched=False))
    of_registry, of_archive = sorted(tasks, key=lambda task: task.kind, reverse=True)
    assert [blob.is_kept for blob in of_archive.blobs] == [True]
    waiting.arrived(of_archive.blobs[0])
    assert waiting.ready() == []
    waiting.arrived(of_registry.blobs[0])
    assert names(waiting.ready()) == ["r", "f"]


def blob(diff_id: str, digest: str, size: int = 1) -> BlobToRead:
    return BlobToRead(blob=digest, diff_id=diff_id, digest=digest, size_bytes=size)


@pytest.mark.parametrize("kind", ["registry", "image"])
@pytest.mark.parametrize("proven", [False, True])
def test_another_blob_of_the_same_layer_is_looked_at(kind: str, proven: bool) -> None:
    """Who hands out blobs by their digests does not say what they unpack to; once seen, it is known of every image."""
    one = replace(image("a", kind=kind), blobs=(blob("x", "one"),))
    others = [replace(image(name, kind=kind), blobs=(blob("x", "two", 9),)) for name in "bc"]
    waiting, tasks = plan(one, *others, proven={("x", "two")} if proven else set())
    to_see = [(its.digest, its.is_kept) for task in tasks for its in task.blobs]
    assert sorted(to_see) == [("one", False), *([] if proven else [("two", True)])]
    first, *rest = sorted((its for task in tasks for its in task.blobs), key=lambda its: its.is_kept)
    waiting.arrived(first)
    assert names(waiting.ready()) == (["a", "b", "c"] if proven else ["a"])
    for its in rest:
        assert names(waiting.spoil(its)) == ["b", "c"]


@pytest.mark.parametrize("kind", ["registry", "archive"])
def test_two_blobs_of_one_image_that_claim_to_be_one_layer(kind: str) -> None:
    one = replace(image("a", kind=kind, vouched=kind == "registry"), blobs=(blob("x", "one"), blob("x", "two")))
    waiting, tasks = plan(one)
    read, seen = sorted((its for task in tasks for its in task.blobs), key=lambda its: its.is_kept)
    waiting.arrived(read)
    assert names(waiting.ready()) == []
    assert (seen.is_kept, names(waiting.spoil(seen))) == (True, ["a"])


def test_a_liar_goes_alone() -> None:
    waiting, tasks = plan(image("r", "1"), image("f", "1", kind="archive", vouched=False), kept=("1",))
    (task,) = tasks
    assert names(waiting.ready()) == ["r"]
    assert names(waiting.spoil(task.blobs[0])) == ["f"]
    waiting.arrived(task.blobs[0])
    assert waiting.ready() == []


def test_a_layer_that_is_not_to_be_had_spoils_all_its_images() -> None:
    waiting, tasks = plan(image("a", "1", "22"), image("b", "1"), image("c", "22"))
    one = next(task for task in tasks if task.blobs[0].diff_id == "1")
    assert names(waiting.give_up(one)) == ["a", "b"]
    assert names(waiting.give_up(one)) == []


@given(
    st.lists(st.lists(st.sampled_from("12345"), min_size=1, max_size=4), min_size=1, max_size=6),
    st.sets(st.sampled_from("12345")),
    st.randoms(),
)
def test_every_image_goes_out_once(layers: list[list[str]], kept: set[str], random: Random) -> None:
    images = [image(f"i{number}", *dict.fromkeys(its)) for number, its in enumerate(layers)]
    waiting, tasks = plan(*images, kept=tuple(kept))
    gone = names(waiting.ready())
    random.shuffle(tasks)
    for task in tasks:
        for blob in task.blobs:
            waiting.arrived(blob)
            gone += names(waiting.ready())
    assert sorted(gone) == [one.ref for one in images]
