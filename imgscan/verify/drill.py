"""The restore drill: the project's own backup and restore scripts, on a database with rows of ours, and with faults.

In: the running stack, a sandbox for the scripts. Out: a proof. The scripts run in the sandbox; their calls of the
engine reach the scratch project's containers alone.
"""

from __future__ import annotations

import os
import posixpath
import re
import stat
from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Final

from imgscan.frozen import frozen
from imgscan.lazyre import lazy_re
from imgscan.project.setup import Setup
from imgscan.project.shell.records import ShellKind, ShellText
from imgscan.verify.broker import broker
from imgscan.verify.database import Database, DatabaseError
from imgscan.verify.passing import Passage
from imgscan.verify.process import Ran
from imgscan.verify.proofs import Proofs
from imgscan.verify.sandbox import PROJECT, NoSandboxError, Sandbox
from imgscan.verify.wrapper import called_by_path, interpreter

_SCRIPT_S: Final = 120.0
_NAMED: Final = "backup-final-name"
_WRONG_USER: Final = "imgscan_nobody"
_DUMPS: Final = lazy_re(r"\bpg_dump(?:all)?\b|\bpg_basebackup\b")
_RESTORES: Final = lazy_re(r"\bpg_restore\b(?!\s+(?:-l|--list)\b)|\bpsql\b")
_RESTORE_NAME: Final = lazy_re(r"restor|import|load|recover", re.IGNORECASE)
_BESIDE: Final = lazy_re(r"(?:\.|^|/)(?:lock|lck|log|pid)$")
_VERIFY_NAME: Final = lazy_re(r"verif|check|test|drill|rehears", re.IGNORECASE)


@frozen
class Scripts:
    """The scripts of a drill; `checker` restores elsewhere and compares, if there is one."""

    backup: ShellText
    restore: ShellText | None
    checker: ShellText | None


class DrillFailedError(Exception):
    """The drill showed a fault; `cites` are the points of the risk's list, `rule_id` the rule."""

    def __init__(self, text: str, script: ShellText, *cites: str, rule_id: str = "backup-drill-fails") -> None:
        super().__init__(text)
        self.script = script
        self.cites = cites
        self.rule_id = rule_id


class NoDrillError(Exception):
    """The drill cannot be carried out; why."""


def find_scripts(setup: Setup) -> Scripts | None:
    """The backup script, and those that bring a backup back; None without a script that dumps."""
    texts = [text for text in setup.shells if text.kind is ShellKind.SCRIPT]
    backup = next((text for text in texts if _DUMPS.search(text.text) and not _RESTORE_NAME.search(text.file)), None)
    if backup is None:
        return None
    others = [text for text in texts if text is not backup and _RESTORES.search(text.text)]
    checkers = [text for text in others if _VERIFY_NAME.search(text.file)]
    restores = [text for text in others if text not in checkers]
    named = [text for text in restores if _RESTORE_NAME.search(text.file)]
    return Scripts(
        backup=backup,
        restore=next(iter(named or restores), None),
        checker=next(iter(checkers), None),
    )


def drill(setup: Setup, room: Sandbox, database: Database, passage: Passage, proofs: Proofs, scripts: Scripts) -> None:
    """Back up, hurt the backup in every way, lose the database, restore, compare; then back up without a database."""
    subject = scripts.backup.file
    with proofs.timed():
        texts = tuple(text for text in setup.shells if text.kind is ShellKind.SCRIPT)
        for script in (scripts.backup, scripts.restore, scripts.checker):
            path = called_by_path(script, texts) if script else None
            if path is not None and script is not None:
                proofs.unverified("restore-drill", f"{script.file} calls {path} by its path", subject)
                return
        run = _Drill(room=room, database=database, passage=passage, scripts=scripts)
        try:
            evidence = run.all()
        except DrillFailedError as fault:
            cites, script = fault.cites, fault.script
            proofs.failed(
                "restore-drill", str(fault), subject, cites=cites, file=script.file, line=script.line, about=""
            )
        except (NoDrillError, NoSandboxError, DatabaseError, OSError) as error:
            proofs.unverified("restore-drill", str(error), subject)
        else:
            proofs.passed("restore-drill", evidence, subject)


@dataclass(slots=True, kw_only=True)
class _Drill:
    room: Sandbox
    database: Database
    passage: Passage
    scripts: Scripts

    def all(self) -> str:
        """Every step in order; what was seen."""
        self.database.seed()
        before = self.database.fingerprint()
        backup = self._back_up()
        # What the application itself changed meanwhile says nothing of the backup.
        after = self.database.fingerprint()
        stable = {table: print_ for table, print_ in before.items() if after.get(table) == print_}
        self._wrong_user()
        reader = self.scripts.checker or self.scripts.restore
        if reader is None or self.scripts.restore is None:
            text = "there is a backup script and none to restore with"
            raise DrillFailedError(text, self.scripts.backup, "OPS-003-12", rule_id="backup-no-restore")
        self._refuses(reader, backup, "a flipped byte", _flipped)
        self._refuses(reader, backup, "half of the file missing", _cut)
        self._restore(backup, stable)
        self._stopped_database()
        told = f"{len(stable)} tables restored equal ({posixpath.basename(backup)}, {self._size(backup)} bytes)"
        return f"{told}; refused: wrong user, stopped database, flipped byte, truncated file; no file left by a failure"

    def _back_up(self) -> str:
        known = self._files()
        ran = self._run(self.scripts.backup)
        if ran.code != 0:
            self._explain(self.scripts.backup, ran)
        new = [path for path in self._new_files(known) if self._size(path)]
        if not new:
            raise NoDrillError(f"{self.scripts.backup.file} ended well and left no file in the project")
        if any(posixpath.basename(path) == "toc.dat" for path in new):
            raise NoDrillError(f"{self.scripts.backup.file} makes a folder, not a file")
        return new[0]

    def _explain(self, script: ShellText, ran: Ran) -> None:
        """A script that fails though nothing is wrong: is it the script, or that it may not do what it wants to?"""
        said = _tail(ran)
        if self.passage.refused:
            raise NoDrillError(f"{script.file} needs `{self.passage.refused[0]}`, which the sandbox does not pass on")
        if ran.timed_out or ran.code in (126, 127) or not self.passage.passed:
            raise NoDrillError(f"{script.file} ended with {ran.code} in the sandbox: {said}")
        raise DrillFailedError(f"{script.file} failed with {ran.code}: {said}", script, "OPS-003-07", "OPS-003-12")

    def _wrong_user(self) -> None:
        self.passage.wrong_user = _WRONG_USER
        try:
            self._must_fail("a user that does not exist")
        finally:
            self.passage.wrong_user = None

    def _stopped_database(self) -> None:
        self.database.stack.compose("stop", "-t", "10", self.database.state.service)
        self._must_fail("the database stopped")

    def _must_fail(self, fault: str) -> None:
        known = self._files()
        ran = self._run(self.scripts.backup)
        new = self._new_files(known)
        script = self.scripts.backup
        if ran.code == 0:
            left = f", leaving {posixpath.basename(new[0])} of {self._size(new[0])} bytes" if new else ""
            raise DrillFailedError(f"with {fault} {script.file} ends with 0{left}", script, "OPS-003-01", "OPS-003-06")
        if new:
            left = f"{posixpath.basename(new[0])} of {self._size(new[0])} bytes"
            raise DrillFailedError(
                f"with {fault} {script.file} fails and leaves {left}", script, "OPS-003-03", rule_id=_NAMED
            )

    def _refuses(self, script: ShellText, backup: str, fault: str, hurt: Callable[[bytes], bytes]) -> None:
        file = self.room.copy / backup
        whole = _read(file)
        before = self.database.fingerprint()
        _write(file, hurt(whole))
        ran = self._run(script, f"{PROJECT}/{backup}")
        _write(file, whole)
        if ran.code == 0:
            raise DrillFailedError(
                f"{script.file} takes a backup with {fault} and ends with 0", script, "OPS-003-06", "OPS-003-04"
            )
        if self.database.fingerprint() != before:
            raise DrillFailedError(
                f"{script.file} fails on a backup with {fault}, and the live data are not what they were",
                script,
                "OPS-003-04",
                "OPS-003-05",
            )

    def _restore(self, backup: str, wanted: Mapping[str, str]) -> None:
        script = self.scripts.restore
        if script is None:
            return
        self.database.empty()
        ran = self._run(script, f"{PROJECT}/{backup}")
        if ran.code != 0:
            self._explain(script, ran)
        found = self.database.fingerprint()
        wrong = [
            f"{table}: {print_.partition(',')[0]} before, {found.get(table, 'missing').partition(',')[0]} after"
            for table, print_ in wanted.items()
            if found.get(table) != print_
        ]
        if wrong:
            raise DrillFailedError(
                f"{script.file} ends with 0, but {len(wrong)} of {len(wanted)} tables are not what was backed up: "
                + "; ".join(wrong[:5]),
                self.scripts.backup,
                "OPS-003-06",
                "OPS-003-04",
            )

    def _run(self, script: ShellText, *words: str) -> Ran:
        self.passage.refused.clear()
        self.passage.passed = 0
        with broker(self.room.tools / "engine.sock", self.passage):
            try:
                return self.room.run([*interpreter(script), f"{PROJECT}/{script.file}", *words], timeout_s=_SCRIPT_S)
            finally:
                self.passage.end()

    def _files(self) -> dict[str, tuple[int, int]]:
        return dict(_listed(self.room.copy))

    def _new_files(self, known: Mapping[str, tuple[int, int]]) -> list[str]:
        """Files that are new or changed, locks and logs left out, the largest first."""
        now = self._files()
        new = [path for path, status in now.items() if known.get(path) != status and not _BESIDE.search(path)]
        return sorted(new, key=lambda path: -now[path][0])

    def _size(self, path: str) -> int:
        return (self.room.copy / path).lstat().st_size


def _listed(root: Path) -> Iterator[tuple[str, tuple[int, int]]]:
    for parent, _, files in os.walk(root):
        for name in files:
            path = Path(parent, name)
            status = path.lstat()
            if stat.S_ISREG(status.st_mode):
                yield path.relative_to(root).as_posix(), (status.st_size, status.st_mtime_ns)


def _read(file: Path) -> bytes:
    # A script may have left a link in place of its file, to something of the machine.
    with os.fdopen(os.open(file, os.O_RDONLY | os.O_NOFOLLOW), "rb") as stream:
        return stream.read()


def _write(file: Path, data: bytes) -> None:
    with os.fdopen(os.open(file, os.O_WRONLY | os.O_NOFOLLOW | os.O_TRUNC), "wb") as stream:
        stream.write(data)


def _flipped(data: bytes) -> bytes:
    """One bit of a byte in the last third is another: in the rows, not in the head."""
    at = len(data) * 2 // 3
    return data[:at] + bytes([data[at] ^ 0x10]) + data[at + 1 :]


def _cut(data: bytes) -> bytes:
    return data[: len(data) // 2]


def _tail(ran: Ran) -> str:
    return " ".join(ran.text.split())[-300:] or "(it said nothing)"
