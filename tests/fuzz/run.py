"""Fuzz one target under atheris (libFuzzer): `run.py TARGET FOLDER [libFuzzer options]`.

The seeds and what is kept in `corpus/` are written to FOLDER/TARGET first, where libFuzzer adds what reaches new code;
an input that fails is left in FOLDER.
"""

from __future__ import annotations

import hashlib
import random
import sys
from pathlib import Path

import atheris

TESTS = Path(__file__).resolve().parent.parent
sys.path[:0] = [str(TESTS), str(TESTS.parent)]

with atheris.instrument_imports(include=["imgscan"]):
    from fuzz.targets import TARGETS

from fuzz.mutate import MUTATORS  # noqa: E402 - its path is set above
from fuzz.seeds import SEEDS, kept  # noqa: E402

OPTIONS = ("-timeout=10", "-rss_limit_mb=1024", "-max_len=65536", "-print_final_stats=1")


def main(name: str, folder: Path, options: list[str]) -> None:
    corpus = folder / name
    corpus.mkdir(parents=True, exist_ok=True)
    for data in (*SEEDS[name], *kept(name)):
        (corpus / hashlib.sha256(data).hexdigest()[:20]).write_bytes(data)

    def mutate(data: bytes, most: int, seed: int) -> bytes:
        chance = random.Random(seed)
        return MUTATORS[name](data, chance, lambda part: bytes(atheris.Mutate(part, len(part) + 100)))[:most]

    atheris.Setup(
        [sys.argv[0], str(corpus), *OPTIONS, f"-artifact_prefix={folder}/{name}-", *options],
        TARGETS[name],
        custom_mutator=mutate,
    )
    atheris.Fuzz()


if __name__ == "__main__":
    if len(sys.argv) < 3 or sys.argv[1] not in TARGETS:
        sys.exit(f"usage: run.py {'|'.join(TARGETS)} FOLDER [libFuzzer options]")
    main(sys.argv[1], Path(sys.argv[2]), sys.argv[3:])
