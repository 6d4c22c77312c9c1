"""Makes the vocabulary of `imgscan.detect.secrets.rarity`: pieces of words by byte pair encoding, from text on disk.

python -m benchmarks.vocabulary [--pieces N] [FOLDER...] > rules/secrets/lists/vocabulary.txt

Without folders it reads the standard library of this Python and the packages of the benchmark's image, whose versions
are pinned. The same text gives the same pieces.
"""

from __future__ import annotations

import heapq
import itertools
import math
import re
import sysconfig
import textwrap
from collections import Counter, defaultdict
from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import Final

import click

from benchmarks.packages import cache_folder, install

ENDINGS: Final = (".py", ".md", ".d.ts", ".json", ".yml")
_WORD: Final = re.compile(r"[A-Z]?[a-z]+|[A-Z]+(?![a-z])")
_LARGEST: Final = 256 * 1024
_LEAST: Final = 4
_FILES: Final = 12_000


def count_words(folders: list[Path]) -> Counter[str]:
    """Words of the text files below folders, lower case, camelCase taken apart."""
    words: Counter[str] = Counter()
    for file in _files(folders):
        words.update(word.lower() for word in _WORD.findall(file.read_text(encoding="utf-8", errors="ignore")))
    return Counter({word: n for word, n in words.items() if n >= _LEAST and 2 <= len(word) <= 20})


def _files(folders: list[Path]) -> Iterator[Path]:
    for folder in folders:
        names = sorted(
            path for path in folder.rglob("*") if path.name.endswith(ENDINGS) and "site-packages" not in path.parts
        )
        yield from [path for path in names if path.is_file() and path.stat().st_size < _LARGEST][:_FILES]


def learn_pieces(words: Mapping[str, int], wanted: int) -> list[str]:
    """The first `wanted` merges of byte pair encoding, shortest first; a word counts by the root of its frequency."""
    spelled = {word: list(word) for word in sorted(words)}
    weight = {word: math.sqrt(n) for word, n in words.items()}
    pairs: defaultdict[tuple[str, str], float] = defaultdict(float)
    where: defaultdict[tuple[str, str], set[str]] = defaultdict(set)
    for word, letters in spelled.items():
        _count(word, letters, weight[word], pairs, where)
    heap = [(-n, pair) for pair, n in pairs.items()]
    heapq.heapify(heap)
    pieces: set[str] = set()
    while len(pieces) < wanted and heap:
        counted, best = heapq.heappop(heap)
        if best not in pairs or -counted != pairs[best]:
            continue  # counted anew since
        pieces.add("".join(best))
        changed: set[tuple[str, str]] = set()
        for word in sorted(where.pop(best)):
            changed.update(itertools.pairwise(spelled[word]))
            _count(word, spelled[word], -weight[word], pairs, where)
            spelled[word] = _merged(spelled[word], best)
            _count(word, spelled[word], weight[word], pairs, where)
            changed.update(itertools.pairwise(spelled[word]))
        pairs.pop(best, None)
        for pair in sorted(changed - {best}):
            heapq.heappush(heap, (-pairs[pair], pair))
    return sorted(pieces, key=lambda piece: (len(piece), piece))


def _count(
    word: str,
    letters: list[str],
    weight: float,
    pairs: defaultdict[tuple[str, str], float],
    where: defaultdict[tuple[str, str], set[str]],
) -> None:
    for pair in itertools.pairwise(letters):
        pairs[pair] += weight
        if weight > 0:
            where[pair].add(word)


def _merged(letters: list[str], pair: tuple[str, str]) -> list[str]:
    merged: list[str] = []
    at = 0
    while at < len(letters):
        if at + 1 < len(letters) and (letters[at], letters[at + 1]) == pair:
            merged.append(letters[at] + letters[at + 1])
            at += 2
        else:
            merged.append(letters[at])
            at += 1
    return merged


@click.command()
@click.option("--pieces", "wanted", default=9000, show_default=True, help="How many pieces to make.")
@click.argument("folders", nargs=-1, type=click.Path(exists=True, file_okay=False, path_type=Path))
def main(wanted: int, folders: tuple[Path, ...]) -> None:
    """Print a vocabulary of the pieces that words are made of."""
    sources = list(folders) or [Path(sysconfig.get_path("stdlib")), install(cache_folder())]
    pieces = learn_pieces(count_words(sources), wanted)
    click.echo("# Pieces of words of programs and their documentation; python -m benchmarks.vocabulary made them.")
    click.echo("\n".join(textwrap.wrap(" ".join(pieces), 118)))


if __name__ == "__main__":
    main()
