"""An image put together from the results of its layers, without reading a byte of it: -> its report.

In: what the plan knows of the image, and a store with its layers' results. Out: a `Report` as JSON, weighed against
nothing: what is accepted, and what forbids a merge, is said when a run is told (`judged`).
"""

from __future__ import annotations

from collections.abc import Callable
from contextlib import closing
from dataclasses import replace
from typing import Final

from msgspec import to_builtins

from imgscan.assess import Gate, image_findings, image_report, make_report
from imgscan.detect.secrets.findings import LocatedHit, secret_findings
from imgscan.detect.secrets.hits import seal_hit
from imgscan.detect.secrets.redact import redact
from imgscan.detect.secrets.scanner import SecretScanner
from imgscan.fleet.lookup import Resolved
from imgscan.layerresult import LayerScan
from imgscan.layers.attribution import attribute
from imgscan.layers.blocks import BlockStore
from imgscan.model import Report, Target
from imgscan.redaction import Redactor, texts_of
from imgscan.scan import ImageScan, Means, locate_hits, put_together, scan_image
from imgscan.sealedlayer import SweepMark, find_marked, unseal_layer
from imgscan.source import open_image

Find = Callable[[str], tuple[bytes, BlockStore] | None]
"""Gives a kept layer by its diffID: its summary, and its blocks."""
_OPEN_GATE: Final = Gate(fail_on=None)


class LayerGoneError(Exception):
    """A layer's result, which was there, is not any more: the image has to be read as a whole."""


def assemble(image: Resolved, find: Find, scanner: SecretScanner, redactor: Redactor, seal_key: bytes) -> Report:
    """The report of an image whose layers are kept; `redactor` is one of its own. Raises LayerGoneError."""
    by_blob: dict[str, LayerScan] = {}
    marks: set[SweepMark] = set()
    kept = {blob.diff_id for blob in image.blobs}
    layers = []
    for layer in image.image.layers:
        # By what it is: the same layer may lie in an image twice, compressed in two ways, of which one was read.
        name = layer.diff_id if layer.diff_id in kept else ""
        layers.append(replace(layer, blob=name, digest=None))
        if name and name not in by_blob:
            by_blob[name], more = _layer(name, find, scanner)
            marks.update(more)
    of_layers = replace(image.image, layers=tuple(layers))
    scan = put_together(of_layers, by_blob, image.documents, image.skipped, scanner)
    report = _report(image, replace(scan, image=image.image), scanner, redactor, seal_key)
    for secret in find_marked(texts_of(to_builtins(report)), marks, seal_key):
        redactor.learn(secret, redact(secret.encode(), reveal=False))
    return redactor.sweep(report)


def scan_alone(image: Resolved, means: Means, redactor: Redactor, seal_key: bytes, *, bytes_per_s: int = 0) -> Report:
    """The report of an image that is read as a whole, no faster than `bytes_per_s` from a registry (0: as fast as may
    be). Raises as `scan.scan_image`."""
    opened = open_image(
        image.ref,
        platform=image.wanted.platform,
        insecure_hosts=image.insecure_hosts,
        say=means.progress.stage,
        bytes_per_s=bytes_per_s,
    )
    with closing(opened) as reader:
        scan = scan_image(reader, means)
    report = _report(replace(image, image=scan.image, kind=reader.kind), scan, means.scanner, redactor, seal_key)
    return redactor.sweep(report)


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


def _layer(diff_id: str, find: Find, scanner: SecretScanner) -> tuple[LayerScan, tuple[SweepMark, ...]]:
    found = find(diff_id)
    if found is None:
        raise LayerGoneError(diff_id)
    try:
        return unseal_layer(*found, scanner.rules)
    except (KeyError, ValueError) as error:
        raise LayerGoneError(diff_id) from error


def _report(image: Resolved, scan: ImageScan, scanner: SecretScanner, redactor: Redactor, seal_key: bytes) -> Report:
    attributed = attribute(scan.image)
    described = image_report(scan, attributed)
    located = [_sealed(item, redactor, seal_key) for item in locate_hits(scan, attributed.layers)]
    return make_report(
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


def _sealed(item: LocatedHit, redactor: Redactor, seal_key: bytes) -> LocatedHit:
    """The hit as it is told of every layer; a secret that is at hand is remembered, so that no text shows it."""
    redactor.learn_hit(item.hit)
    return replace(item, hit=seal_hit(item.hit, seal_key))
