"""What a fleet has in common: layers that leak into several images, and the images that others are built on.

In: the images and findings of a run. Out: the same, with what is to be mended once instead of many times.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import replace
from typing import Final

from imgscan.fleets import BaseImage, FleetFinding, FleetImage, SharedLeak
from imgscan.model import Severity

_LEAK: Final = "secret-"
_LEAST: Final = Severity.MEDIUM


def with_bases(images: Sequence[FleetImage]) -> tuple[FleetImage, ...]:
    """The images, each with what it is built on: the largest other image of the fleet that it begins with, else what
    its own history says."""
    whole = {image.layers for image in images if image.layers}
    return tuple(replace(image, base=_base(image, whole)) for image in images)


def shared_leaks(
    images: Sequence[FleetImage], findings: Iterable[FleetFinding], made_by: Mapping[str, str]
) -> tuple[SharedLeak, ...]:
    """Layers with open secrets of medium severity or more that several images have, the worst first. `made_by` gives a
    layer's instruction in few words."""
    by_layer: dict[str, dict[str, FleetFinding]] = {}
    for finding in findings:
        if finding.layer and finding.is_open and finding.rule_id.startswith(_LEAK) and _counts(finding.severity):
            by_layer.setdefault(finding.layer, {}).setdefault(finding.fingerprint, finding)
    holders = _holders(images, by_layer)
    built_on = {image.base for image in images if image.base}
    leaks = [
        SharedLeak(
            layer=layer,
            images=tuple(sorted(image.name for image in holders[layer])),
            findings=tuple(
                (one.fingerprint, one.rule_id, one.severity, one.message)
                for one in sorted(found.values(), key=lambda one: (-one.severity.rank, one.rule_id, one.fingerprint))
            ),
            instruction=made_by.get(layer, ""),
            base=_is_of_base(holders[layer], layer, built_on),
        )
        for layer, found in by_layer.items()
        if len(holders[layer]) > 1
    ]
    return tuple(sorted(leaks, key=lambda leak: (-_worst(leak), -len(leak.images), leak.layer)))


def base_images(images: Sequence[FleetImage], findings: Iterable[FleetFinding]) -> tuple[BaseImage, ...]:
    """What images are built on, those whose rebuild mends most first."""
    by_layer: dict[str, dict[str, Severity]] = {}
    for finding in findings:
        if finding.layer and finding.is_open:
            by_layer.setdefault(finding.layer, {})[finding.fingerprint] = finding.severity
    groups: dict[tuple[str, ...], list[FleetImage]] = {}
    for image in images:
        if image.base in image.layers:
            groups.setdefault(image.layers[: image.layers.index(image.base) + 1], []).append(image)
    named: dict[tuple[str, ...], list[FleetImage]] = {}
    for image in images:
        named.setdefault(image.layers, []).append(image)
    bases = [_base_image(chain, built, named.get(chain, []), by_layer) for chain, built in groups.items()]
    return tuple(sorted(bases, key=_rank))


def _base(image: FleetImage, whole: set[tuple[str, ...]]) -> str:
    for length in range(len(image.layers) - 1, 0, -1):
        if image.layers[:length] in whole:
            return image.layers[length - 1]
    return image.base


def _holders(images: Sequence[FleetImage], layers: Iterable[str]) -> dict[str, list[FleetImage]]:
    holders: dict[str, list[FleetImage]] = {layer: [] for layer in layers}
    for image in images:
        for layer in holders.keys() & set(image.layers):
            holders[layer].append(image)
    return holders


def _base_image(
    chain: tuple[str, ...],
    built: Sequence[FleetImage],
    named: Sequence[FleetImage],
    by_layer: Mapping[str, Mapping[str, Severity]],
) -> BaseImage:
    shipped = {print_: severity for layer in chain for print_, severity in by_layer.get(layer, {}).items()}
    counts = Counter(shipped.values())
    times = sorted(image.created for image in built if image.created)
    return BaseImage(
        layer=chain[-1],
        names=tuple(sorted(image.name for image in named)),
        images=tuple(sorted(image.name for image in built)),
        findings=tuple((severity, counts[severity]) for severity in Severity if counts[severity]),
        size_bytes=max((image.size_bytes for image in named), default=0),
        created=(times[0], times[-1]) if times else ("", ""),
    )


def _rank(base: BaseImage) -> tuple[tuple[int, ...], int, str]:
    counts = dict(base.findings)
    worst_first = sorted(Severity, key=lambda severity: -severity.rank)
    return tuple(-counts.get(severity, 0) for severity in worst_first), -len(base.images), base.layer


def _is_of_base(holders: Sequence[FleetImage], layer: str, built_on: set[str]) -> bool:
    """Whether all have the layer from what they are built on; the base image itself may be among them."""
    others = [image for image in holders if not _is_base(image, layer)]
    return len(others) < len(holders) and all(image.layers[-1] in built_on for image in others)


def _is_base(image: FleetImage, layer: str) -> bool:
    return image.base in image.layers and image.layers.index(layer) <= image.layers.index(image.base)


def _worst(leak: SharedLeak) -> int:
    return max(severity.rank for _, _, severity, _ in leak.findings)


def _counts(severity: Severity) -> bool:
    return severity.rank >= _LEAST.rank
