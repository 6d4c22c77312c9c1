#!/usr/bin/env python3
"""Plant secrets of valid form in the sample `antone-leaky`, in the files that a team has lying about and never commits.

Nothing here is a real credential, and none is written in this repository: each is made from a seed (the same seed,
the same files) when the script runs, into files that git ignores. Their values are never printed.

  sample_images/plant.py [CONTEXT] [--seed SEED] [--list | --remove]
"""

from __future__ import annotations

import argparse
import base64
import hashlib
import random
import string
import sys
import textwrap
import zlib
from collections.abc import Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Final

SAMPLE: Final = Path(__file__).resolve().parent / "antone-leaky"
SEED: Final = "imgscan"
BASE62: Final = string.digits + string.ascii_uppercase + string.ascii_lowercase
UPPER32: Final = string.ascii_uppercase + "234567"


@dataclass(frozen=True, slots=True, kw_only=True)
class Planted:
    """One secret: `kind` is the end of its rule's id, `path` the file of the context that holds it."""

    kind: str
    place: str
    """`file` (copied into the image), `arg` or `env` (written in the Dockerfile)."""
    path: str
    name: str
    """The variable or key it is assigned to."""
    secret: str = field(repr=False)


def planted(context: Path = SAMPLE, seed: str = SEED) -> list[Planted]:
    """Return what `plant` has put into `context`; a ValueError names a file that doesn't hold its secret."""
    found = [secret for _, secrets in _files(context, seed).values() for secret in secrets]
    for secret in found:
        file = context / secret.path
        if not file.is_file() or secret.secret not in file.read_text():
            raise ValueError(f"{file} does not hold the {secret.kind} of seed {seed!r}: run plant.py")
    return found


def plant(context: Path = SAMPLE, seed: str = SEED) -> None:
    """Write the files with secrets into `context`; one that is already right is left alone."""
    for path, (text, _) in _files(context, seed).items():
        file = context / path
        file.parent.mkdir(parents=True, exist_ok=True)
        if not file.is_file() or file.read_text() != text:
            file.write_text(text)
            file.chmod(0o600 if path.endswith(".pem") else 0o644)


def remove(context: Path = SAMPLE, seed: str = SEED) -> None:
    for path in _files(context, seed):
        (context / path).unlink(missing_ok=True)


def _files(context: Path, seed: str) -> dict[str, tuple[str, list[Planted]]]:
    """Path in the context -> its text and the secrets in it. Each secret has a generator of its own, so that adding
    one leaves the others as they were."""

    def rng(name: str) -> random.Random:
        return random.Random(f"{seed}/{name}")  # noqa: S311  # made-up secrets, and the same ones every time

    npm = _checksummed("npm_", rng("npm"))
    registry = _letters(rng("npmrc"), BASE62, 40)  # of a private registry, which has a form of its own
    stripe = "sk_" + "live_" + "51" + _letters(rng("stripe"), BASE62, 97)
    github = _checksummed("ghp_", rng("github"))
    aws_id = "AKIA" + _letters(rng("aws-id"), UPPER32, 16)
    aws_secret = _letters(rng("aws-secret"), BASE62 + "+/", 40)
    password = _letters(rng("postgres"), BASE62, 24)
    slack = "xoxb-" + "-".join(
        (
            _letters(rng("slack-team"), "123456789", 12),
            _letters(rng("slack-bot"), "123456789", 13),
            _letters(rng("slack"), BASE62, 24),
        )
    )
    url = f"postgres://antone:{password}@db.antone.internal:5432/antone"
    key = _rsa_pem(rng("key"))

    def file(path: str, *rows: tuple[str, str, str]) -> list[Planted]:
        return [Planted(kind=kind, place="file", path=path, name=name, secret=value) for kind, name, value in rows]

    dockerfile = (context / "Dockerfile.in").read_text()
    return {
        "Dockerfile": (
            dockerfile.replace("@NPM_TOKEN@", npm).replace("@STRIPE_API_KEY@", stripe),
            [
                Planted(kind="npm-token", place="arg", path="Dockerfile", name="NPM_TOKEN", secret=npm),
                Planted(kind="stripe-key", place="env", path="Dockerfile", name="STRIPE_API_KEY", secret=stripe),
            ],
        ),
        ".npmrc": (
            f"@antone-private:registry=https://npm.example.invalid/\n//npm.example.invalid/:_authToken={registry}\n",
            file(".npmrc", ("npmrc-auth", "_authToken", registry)),
        ),
        "backend/.env": (
            f"DATABASE_URL={url}\nAWS_REGION=eu-central-1\nAWS_ACCESS_KEY_ID={aws_id}\n"
            f"AWS_SECRET_ACCESS_KEY={aws_secret}\nGITHUB_TOKEN={github}\n",
            file(
                "backend/.env",
                ("uri-credentials", "DATABASE_URL", password),
                ("aws-access-key", "AWS_ACCESS_KEY_ID", aws_id),
                ("aws-secret-key", "AWS_SECRET_ACCESS_KEY", aws_secret),
                ("github-token", "GITHUB_TOKEN", github),
            ),
        ),
        "backend/config/production.json": (
            f'{{\n  "logLevel": "info",\n  "slack": {{ "channel": "#deploys", "token": "{slack}" }}\n}}\n',
            file("backend/config/production.json", ("slack-token", "token", slack)),
        ),
        "deploy_key.pem": (key, file("deploy_key.pem", ("private-key", "deploy_key.pem", key))),
    }


def _letters(rng: random.Random, alphabet: str, count: int) -> str:
    return "".join(rng.choice(alphabet) for _ in range(count))


def _checksummed(prefix: str, rng: random.Random) -> str:
    """A token of GitHub's and npm's form: 30 letters of entropy, then their CRC-32 as six base-62 digits."""
    entropy = _letters(rng, BASE62, 30)
    number, digits = zlib.crc32(entropy.encode()), ""
    for _ in range(6):
        number, digit = divmod(number, 62)
        digits = BASE62[digit] + digits
    return prefix + entropy + digits


def _rsa_pem(rng: random.Random) -> str:
    """An RSA key of 2048 bits in PKCS #1 (RFC 8017, A.1.2), which every tool can parse."""
    exponent = 65537
    p, q = _prime(rng, exponent), _prime(rng, exponent)
    private = pow(exponent, -1, (p - 1) * (q - 1))
    numbers = (0, p * q, exponent, private, p, q, private % (p - 1), private % (q - 1), pow(q, -1, p))
    der = _der(0x30, b"".join(_der(0x02, number.to_bytes(number.bit_length() // 8 + 1)) for number in numbers))
    body = "\n".join(textwrap.wrap(base64.b64encode(der).decode(), 64))
    return f"-----BEGIN RSA {'PRIVATE'} KEY-----\n{body}\n-----END RSA {'PRIVATE'} KEY-----\n"


def _der(tag: int, content: bytes) -> bytes:
    length = len(content)
    if length < 0x80:
        return bytes((tag, length)) + content
    size = length.to_bytes((length.bit_length() + 7) // 8)
    return bytes((tag, 0x80 | len(size))) + size + content


def _prime(rng: random.Random, exponent: int) -> int:
    small = [n for n in range(3, 2000, 2) if all(n % d for d in range(3, int(n**0.5) + 1, 2))]
    while True:
        candidate = rng.getrandbits(1024) | (3 << 1022) | 1
        if candidate % exponent == 1 or not all(candidate % prime for prime in small):
            continue
        # Fermat's test errs for one candidate in 10^40 at this size, and this key opens nothing.
        if pow(2, candidate - 1, candidate) == 1:
            return candidate


def main(arguments: Sequence[str] | None = None) -> int:
    parser = argparse.ArgumentParser(description=(__doc__ or "").partition("\n")[0])
    parser.add_argument(
        "context", nargs="?", type=Path, default=SAMPLE, help="default: antone-leaky beside this script"
    )
    parser.add_argument("--seed", default=SEED)
    action = parser.add_mutually_exclusive_group()
    action.add_argument("--list", action="store_true", help="say what is planted where, without the values")
    action.add_argument("--remove", action="store_true", help="remove the planted files")
    options = parser.parse_args(arguments)
    if options.remove:
        remove(options.context, options.seed)
        return 0
    plant(options.context, options.seed)
    if options.list:
        for secret in planted(options.context, options.seed):
            digest = hashlib.sha256(secret.secret.encode()).hexdigest()[:12]
            sys.stdout.write(f"{secret.kind}\t{secret.place}\t{secret.path}\t{secret.name}\tsha256:{digest}\n")
    return 0


if __name__ == "__main__":
    sys.exit(main())
