"""Fuzz one target under atheris (libFuzzer): `run.py TARGET CORPUS_DIR [libFuzzer options]`.

The seeds are written to the corpus folder first; what crashes lies where libFuzzer's `-artifact_prefix` says.
"""

from __future__ import annotations

import hashlib
import random
import sys
from pathlib import Path

import atheris

HERE = Path(__file__).resolve().parent
sys.path[:0] = [str(HERE), str(HERE.parent), str(HERE.parent.parent)]

with atheris.instrument_imports(include=["imgscan"]):
    from targets import TARGETS

from mutate import MUTATORS  # noqa: E402 - its path is set above
from seeds import SEEDS  # noqa: E402


def main(name: str, corpus: Path, options: list[str]) -> None:
    corpus.mkdir(parents=True, exist_ok=True)
    kept = sorted((HERE / "corpus" / name).glob("*")) if (HERE / "corpus" / name).is_dir() else []
    for data in (*SEEDS[name], *(path.read_bytes() for path in kept)):
        (corpus / hashlib.sha256(data).hexdigest()[:20]).write_bytes(data)
    change = MUTATORS.get(name)

    def mutate(data: bytes, most: int, seed: int) -> bytes:
        assert change is not None
        return change(data, random.Random(seed), lambda part: bytes(atheris.Mutate(part, len(part) + 100)))[:most]

    atheris.Setup(
        [sys.argv[0], str(corpus), "-timeout=10", "-rss_limit_mb=1024", "-max_len=65536", *options],
        TARGETS[name],
        custom_mutator=mutate if change is not None else None,
    )
    atheris.Fuzz()


if __name__ == "__main__":
    main(sys.argv[1], Path(sys.argv[2]), sys.argv[3:])
