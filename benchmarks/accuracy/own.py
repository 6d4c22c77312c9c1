"""imgscan's own cases: the examples and near misses of its rule packs, with fresh random parts, as files carry them.

An example that is a token and nothing else is put into every carrier, a longer one stands as it is in the file where
such a thing lies.
"""

from __future__ import annotations

import re
from collections.abc import Iterator, Mapping
from typing import Final

from benchmarks.accuracy.cases import Case
from imgscan.detect.secrets.examples import assemble
from imgscan.detect.secrets.rules import SecretRule, own_pack
from imgscan.rulebook import load_yaml, rules_dir

_TOKEN: Final = re.compile(rb"[A-Za-z0-9_.:$/+=~-]{8,1500}")
CARRIERS: Final[Mapping[str, str]] = {
    "deploy/.env": "# service\n{name}={token}\nPORT=8080\n",
    "config/settings.json": '{{\n  "service": {{"{name}": "{token}", "retries": 3}}\n}}\n',
    "config/values.yaml": "service:\n  replicas: 2\n  {name}: {token}\n",
    "Dockerfile": "FROM debian:12\nENV {name}={token}\nCOPY . /app\n",
    "src/client.py": 'import os\n\n{name} = "{token}"\n\n\ndef main():\n    return {name}\n',
    "src/client.js": "const {name} = '{token}';\nmodule.exports = {{ {name} }};\n",
    "src/client.go": 'package client\n\nvar {name} string = "{token}"\n',
    "src/Client.java": 'class Client {{\n    static final String {name} = "{token}";\n}}\n',
    "src/client.rb": "class Client\n  {name} = '{token}'\nend\n",
    "src/client.php": "<?php\n$config['{name}'] = '{token}';\n",
    "src/links.txt": "https://api.corp.internal/v1/run?{name}={token}&page=2\n",
}
"""Where a token may stand -> the text around it."""


def own_cases(seeds: int) -> Iterator[Case]:
    """Positives of every rule in every carrier, and negatives, `seeds` times with other random parts."""
    for family, rules in _families().items():
        for rule in rules:
            for seed in range(seeds):
                yield from _rule_cases(rule, family, f"{rule.id}/accuracy/{seed}")


def _families() -> Mapping[str, list[SecretRule]]:
    by_id = {rule.id: rule for rule in own_pack().rules}
    packs = {path.stem: load_yaml(path) for path in sorted((rules_dir() / "secrets").glob("*.yml"))}
    return {name: [by_id[record["id"]] for record in pack["rules"]] for name, pack in packs.items()}


def _rule_cases(rule: SecretRule, family: str, seed: str) -> Iterator[Case]:
    for number, parts in enumerate(rule.examples):
        text = assemble(parts, f"{seed}/{number}")
        if rule.path is None and _TOKEN.fullmatch(text) is not None:
            for path, carrier in CARRIERS.items():
                yield _case(carrier.format(name="value", token=text.decode()).encode(), path, family, text)
        else:
            yield _case(_as_file(text), rule.file, family)
    for number, parts in enumerate(rule.near_misses):
        text = assemble(parts, f"{seed}/miss/{number}")
        yield Case(text=_as_file(text), positive=False, path=rule.file, family=family, source="own")


def _as_file(text: bytes) -> bytes:
    """A text stands in lines of its own; a file that is none is known by how it begins."""
    return b"\n" + text + b"\n" if text.isascii() else text


def _case(text: bytes, path: str, family: str, secret: bytes = b"") -> Case:
    return Case(text=text, secret=secret, positive=True, path=path, family=family, source="own")
