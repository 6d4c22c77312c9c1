"""Files of variables under version control: `context-env-file-tracked`. In: a `Setup`. Out: findings.

Only an index that lies in the project's own folder is read; a work tree whose repository lies elsewhere tells nothing.
"""

from __future__ import annotations

import os
import re
from collections.abc import Iterator
from typing import Final

from imgscan.detect.words import is_placeholder, is_secret_name
from imgscan.dockerfile.locate import read_regular_file
from imgscan.lazyre import lazy_re
from imgscan.model import Confidence, Evidence, Finding, Fix, Location, Place, Severity
from imgscan.project.exposure.gitindex import MAX_BYTES, SHA1_BYTES, SHA256_BYTES, tracked_paths
from imgscan.project.setup import EnvText, Setup
from imgscan.rulebook import make_finding

_CONFIG_BYTES: Final = 1 << 20
_SHA256: Final = lazy_re(rb"^\s*objectformat\s*=\s*sha256\s*$", re.IGNORECASE | re.MULTILINE)


def detect(setup: Setup) -> Iterator[Finding]:
    """The findings, one for each file."""
    real = {os.fsencode(env.path): env for env in setup.envs if not env.example}
    if not real:
        return
    folder = setup.tree.root / ".git"
    try:
        if folder.is_symlink():
            return
        data = read_regular_file(folder / "index", MAX_BYTES)
        config = read_regular_file(folder / "config", _CONFIG_BYTES)
    except (OSError, ValueError):
        return
    for path in tracked_paths(data, SHA256_BYTES if _SHA256.search(config) else SHA1_BYTES):
        env = real.pop(path, None)
        if env is not None:
            yield _finding(env)


def _finding(env: EnvText) -> Finding:
    held = sorted({e.name for e in env.entries if is_secret_name(e.name) and not is_placeholder(e.value)})
    what = f"with {', '.join(held[:6])}" if held else "which is where secrets end up"
    return make_finding(
        "context-env-file-tracked",
        message=f"{env.path} is under version control, {what}.",
        location=Location(place=Place.CONTEXT, path=env.path, line=1),
        evidence=Evidence.DERIVED,
        identity=(env.path,),
        severity=None if held else Severity.LOW,
        confidence=None if held else Confidence.MEDIUM,
        fix=Fix(
            text=f"`git rm --cached {env.path}`, add it to .gitignore, commit an example without values, and replace "
            "the secrets: the history keeps them."
        ),
    )
