"""Which images wait for which layers: outcomes come in in any order, images go out when they can be put together."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Collection, Iterable, Sequence

from imgscan.fleet.lookup import Resolved
from imgscan.fleet.plan import proof_of
from imgscan.fleets import BlobToRead, LayerTask

_Awaited = tuple[str, str]
"""A layer's result ("" and its diffID), or that it was seen to be the layer by `plan.proof_of`'s word."""


class Waiting:
    """Images and what they wait for: results of layers that are not `kept`, and, where a source can say anything of
    itself, that their content was seen to be what it says."""

    def __init__(self, images: Sequence[Resolved], kept: Collection[str], tasks: Iterable[LayerTask]) -> None:
        self._images = dict(enumerate(images))
        self._missing: dict[int, set[_Awaited]] = {}
        self._by_awaited: dict[_Awaited, set[int]] = defaultdict(set)
        self._ready: list[int] = []
        checked = {_awaited(blob) for task in tasks for blob in task.blobs if blob.is_kept}
        for number, image in self._images.items():
            results = {("", blob.diff_id) for blob in image.blobs if blob.diff_id not in kept}
            proofs = {(proof_of(image, blob), blob.diff_id) for blob in image.blobs}
            missing = self._missing[number] = results | (proofs & checked)
            for awaited in missing:
                self._by_awaited[awaited].add(number)
            if not missing:
                self._ready.append(number)

    def ready(self) -> list[Resolved]:
        """The images that wait for nothing any more; each once."""
        numbers, self._ready = self._ready, []
        return [self._remove(number) for number in numbers if number in self._images]

    def arrived(self, blob: BlobToRead) -> None:
        """A layer's result is there, or it was seen to be what it is."""
        awaited = _awaited(blob)
        for number in self._by_awaited.pop(awaited, set()):
            missing = self._missing.get(number)
            if missing is not None:
                missing.discard(awaited)
                if not missing:
                    self._ready.append(number)

    def spoil(self, blob: BlobToRead) -> list[Resolved]:
        """The images that waited for a layer of which there will be nothing; they wait no longer."""
        numbers = sorted(self._by_awaited.pop(_awaited(blob), set()))
        return [self._remove(number) for number in numbers if number in self._images]

    def give_up(self, task: LayerTask) -> list[Resolved]:
        """The images that waited for any layer of a task."""
        return [image for blob in task.blobs for image in self.spoil(blob)]

    def _remove(self, number: int) -> Resolved:
        self._missing.pop(number, None)
        return self._images.pop(number)


def _awaited(blob: BlobToRead) -> _Awaited:
    return blob.proof, blob.diff_id
