"""An image put together from the results of its layers, without reading a byte of it: -> its report.

In: what the plan knows of the image, and a store with its layers' results. Out: a `Report` as JSON, weighed against
nothing: what is accepted, and what forbids a merge, is said when a run is told (`judged`).
"""

from __future__ import annotations

from collections.abc import Callable
from contextlib import closing
from dataclasses import replace
from typing import Final

from imgscan.assess import Gate, image_findings, image_report, make_report
from imgscan.detect.secrets.findings import LocatedHit, secret_findings
from imgscan.detect.secrets.hits import seal_hit
from imgscan.detect.secrets.scanner import SecretScanner
from imgscan.fleet.plan import Resolved
from imgscan.layerresult import LayerScan
from imgscan.layers.attribution import Attributed, attribute
from imgscan.layers.blocks import BlockStore
from imgscan.model import Report, Target
from imgscan.redaction import Redactor
from imgscan.scan import ImageScan, Means, locate_hits, put_together, scan_image
from imgscan.sealedlayer import guessable, unseal_layer
from imgscan.source import open_image

Find = Callable[[str], tuple[bytes, BlockStore] | None]
"""Gives a kept layer by its diffID: its summary, and its blocks."""
_OPEN_GATE: Final = Gate(fail_on=None)


class LayerGoneError(Exception):
    """A layer's result, which was there, is not any more: the image has to be read as a whole."""


def assemble(
    image: Resolved, find: Find, scanner: SecretScanner, redactor: Callable[[], Redactor], seal_key: bytes
) -> Report:
    """The report of an image whose layers are kept. Raises LayerGoneError."""
    by_blob: dict[str, LayerScan] = {}
    kept = {blob.diff_id for blob in image.blobs}
    layers = []
    for layer in image.image.layers:
        # One blob a diffID: where the same layer lies in an image twice, in two forms, one of them was read.
        name = layer.diff_id if layer.diff_id in kept else ""
        layers.append(replace(layer, blob=name, digest=None))
        if name and name not in by_blob:
            by_blob[name] = _layer(name, find, scanner)
    scan = put_together(replace(image.image, layers=tuple(layers)), by_blob, image.documents, image.skipped, scanner)
    return _report(image, scan, scanner, redactor(), seal_key)


def scan_alone(image: Resolved, means: Means, redactor: Callable[[], Redactor], seal_key: bytes) -> Report:
    """The report of an image that is read as a whole. Raises as `scan.scan_image`."""
    opened = open_image(image.ref, platform=image.wanted.platform, insecure_hosts=image.insecure_hosts)
    with closing(opened) as reader:
        scan = scan_image(reader, means)
    return _report(replace(image, image=scan.image, kind=reader.kind), scan, means.scanner, redactor(), seal_key)


def judged(report: Report, image: Resolved | None, gate: Gate) -> Report:
    """A report that was put together, weighed now: what is accepted, the verdict."""
    target = report.target if image is None else replace(report.target, ref=image.wanted.name)
    return make_report(
        target=target,
        findings=report.findings,
        gate=gate,
        rule_packs=report.tool.rule_packs,
        skipped=report.skipped,
        image=report.image,
        coverage=report.coverage,
    )


def _layer(diff_id: str, find: Find, scanner: SecretScanner) -> LayerScan:
    found = find(diff_id)
    if found is None:
        raise LayerGoneError(diff_id)
    try:
        return unseal_layer(*found, scanner.rules)
    except (KeyError, ValueError) as error:
        raise LayerGoneError(diff_id) from error


def _report(image: Resolved, scan: ImageScan, scanner: SecretScanner, redactor: Redactor, seal_key: bytes) -> Report:
    attributed = attribute(scan.image)
    if any(guessable(layer) for layer in scan.layers):
        attributed = _first_words(attributed)
    located = [_sealed(item, redactor, seal_key) for item in locate_hits(scan, attributed.layers)]
    described = image_report(scan, attributed)
    report = make_report(
        target=Target(
            kind=image.kind,
            ref=image.wanted.name,
            image_id=scan.image.image_id or None,
            digest=scan.image.digest,
            platform=scan.image.platform,
        ),
        findings=(*secret_findings(located), *image_findings(scan, described, None)),
        gate=_OPEN_GATE,
        rule_packs=scanner.pack_names,
        skipped=scan.skipped,
        image=described,
        coverage=scan.coverage,
        unpacked=scanner.unpack,
    )
    return redactor.sweep(report)


def _sealed(item: LocatedHit, redactor: Redactor, seal_key: bytes) -> LocatedHit:
    """The hit as it is told of every layer; a secret that is at hand is remembered, so that no text shows it."""
    redactor.learn_hit(item.hit)
    return replace(item, hit=seal_hit(item.hit, seal_key))


def _first_words(attributed: Attributed) -> Attributed:
    """Instructions by their first words: they may hold a secret of a file, which nobody could take out of them, since
    what is kept of it does not say what it was."""
    return replace(
        attributed,
        layers=tuple(
            replace(layer, instruction=f"{layer.instruction.split(None, 1)[0][:10]} …" if layer.instruction else None)
            for layer in attributed.layers
        ),
    )
