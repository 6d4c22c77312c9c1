"""What holds of every finding with a patch: `git apply` takes it, and it makes the finding go away and no other come."""

from __future__ import annotations

import shutil
import subprocess
from collections.abc import Callable, Iterator
from pathlib import Path

from imgscan.model import Finding, Severity
from imgscan.project.setup import Setup, read_setup

Detect = Callable[[Setup], Iterator[Finding]]


def check_patches(root: Path, detect: Detect) -> list[Finding]:
    """Apply the patch of each finding of a project alone; the findings that had one."""
    setup = read_setup(root)
    before, refused = list(detect(setup)), _fatal(setup)
    known = {finding.fingerprint for finding in before}
    with_patch = [finding for finding in before if finding.fix.patch]
    for number, finding in enumerate(with_patch):
        copy = root.parent / f"{root.name}-{number}"
        shutil.copytree(root, copy)
        done = subprocess.run(
            ["git", "apply", "-"], input=finding.fix.patch, text=True, cwd=copy, capture_output=True, check=False
        )
        assert done.returncode == 0, f"{finding.rule_id}: {done.stderr}\n{finding.fix.patch}"
        setup = read_setup(copy)
        assert _fatal(setup) <= refused, f"{finding.rule_id}: {_fatal(setup)}\n{finding.fix.patch}"
        after = list(detect(setup))
        assert finding.fingerprint not in {each.fingerprint for each in after}, f"{finding.rule_id} is still there"
        new = [each for each in after if each.fingerprint not in known and each.severity.rank >= Severity.MEDIUM.rank]
        assert not new, f"{finding.rule_id} brings {[each.rule_id for each in new]}"
    return with_patch


def _fatal(setup: Setup) -> set[str]:
    """What compose would refuse."""
    return {problem.message for project in setup.composes for problem in project.problems if problem.fatal}
