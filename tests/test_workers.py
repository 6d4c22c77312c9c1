"""Searching in several processes gives what searching in one does, and leaves no process behind."""

from __future__ import annotations

import gzip
import os
import signal
import subprocess
import sys
import time
from collections.abc import Callable, Iterator
from contextlib import closing, contextmanager
from pathlib import Path

import pytest
from imagemaker import Made, docker25
from keymaker import pair
from secretmaker import token_of
from tarmaker import archive, member

from imgscan.detect.secrets.scanner import SecretScanner, load_scanner
from imgscan.errors import WorkerError
from imgscan.layers.listing import content_digest
from imgscan.source.records import StoreError
from imgscan.store.searchedfiles import SearchedFiles
from imgscan.workers import SLOT_BYTES, FileJob, Searched, Workers

FILES = {
    b"a/one.txt": b"nothing in it",
    b"a/two.txt": f"token = {token_of('two')}".encode(),
    b"b/empty": b"",
    b"b/\xff.json": f'{{"a": "{token_of("three")}", "b": "{token_of("four")}"}}'.encode(),
    b"c/.env": b"PASSWORD=" + b"correct-horse" + b"-battery\n",
    b"c/large.log": b"line\n" * 400_000 + f"late {token_of('five')}\n".encode(),
}


@pytest.fixture(scope="module")
def scanner() -> SecretScanner:
    return load_scanner()


@contextmanager
def workers(scanner: SecretScanner, count: int) -> Iterator[Workers]:
    with closing(Workers(scanner, count)) as started:
        yield started


def write_slot(made: Workers, slot: int) -> list[FileJob]:
    jobs, at = [], 0
    for path, data in FILES.items():
        if at + len(data) <= SLOT_BYTES:
            made.write(slot, at, data)
            jobs.append(FileJob(path=path, size=len(data), start=at))
            at += len(data)
    return jobs


def write_folder(root: Path) -> list[FileJob]:
    for path, data in FILES.items():
        target = root / os.fsdecode(path)
        target.parent.mkdir(parents=True, exist_ok=True)
        target.write_bytes(data)
    return [FileJob(path=path, size=len(data), name=path) for path, data in FILES.items()]


Told = list[tuple[bytes, list[tuple[str, bytes, int, int]], tuple[str, ...]]]


def expected(scanner: SecretScanner, jobs: list[FileJob]) -> Told:
    told: Told = []
    for job in jobs:
        hits = scanner.scan_bytes(FILES[job.path], path=job.path.decode("utf-8", "backslashreplace"))
        told.append((content_digest(FILES[job.path]), [(h.rule.id, h.secret, h.line, h.offset) for h in hits], ()))
    return told


def told(searched: Searched) -> Told:
    told: Told = [(digest, [], ()) for digest in searched.digests]
    for number, one in searched.found:
        hits = [(hit.rule.id, hit.secret, hit.line, hit.offset) for hit in one.hits]
        told[number] = searched.digests[number], hits, one.notes
    return told


@pytest.mark.parametrize("here", [False, True], ids=["there", "here"])
@pytest.mark.parametrize("count", [0, 1, 2])
def test_a_slot(count: int, here: bool, scanner: SecretScanner) -> None:
    with workers(scanner, count) as made:
        jobs = write_slot(made, made.slots - 1)
        found = made.search_slot(made.slots - 1, jobs, here=here).result()
        assert told(found) == expected(scanner, jobs)
        assert sum(len(one.hits) for _, one in found.found) >= 4
        assert made.started is (count > 0 and not here)


def test_a_few_files_do_not_start_processes_and_many_few_do(scanner: SecretScanner, tmp_path: Path) -> None:
    little, much = FileJob(path=b"a", size=1 << 20), FileJob(path=b"b", size=9 << 20)
    with workers(scanner, 2) as made:
        assert not made.is_little([much])
        assert [made.is_little([little]) for _ in range(9)] == [True] * 7 + [False] * 2
        assert not made.is_little([FileJob(path=b"%d" % number, size=1) for number in range(200)])
    with workers(scanner, 2) as made:
        made.search_files(tmp_path, write_folder(tmp_path)).result()
        assert not made.is_little([little]), "they are there already"


@pytest.mark.parametrize("here", [False, True], ids=["there", "here"])
@pytest.mark.parametrize("count", [0, 2])
def test_files_of_a_folder(count: int, here: bool, scanner: SecretScanner, tmp_path: Path) -> None:
    jobs = write_folder(tmp_path)
    with workers(scanner, count) as made:
        assert told(made.search_files(tmp_path, jobs, here=here).result()) == expected(scanner, jobs)


def test_many_batches_of_several_folders(scanner: SecretScanner, tmp_path: Path) -> None:
    roots = [tmp_path / name for name in ("one", "two", "three")]
    jobs = [write_folder(root) for root in roots].pop()
    with workers(scanner, 2) as made:
        batches = [made.search_files(roots[number % 3], jobs) for number in range(9)]
        slots = [made.search_slot(number, write_slot(made, number)) for number in range(made.slots)]
        assert {repr(told(batch.result())) for batch in batches} == {repr(expected(scanner, jobs))}
        assert len({repr(told(batch.result())) for batch in slots}) == 1


@pytest.mark.parametrize("count", [0, 1])
@pytest.mark.parametrize("path", [b"a/two.txt", b"c/large.log"])
@pytest.mark.parametrize("change", [-1, 1])
def test_a_file_of_another_size(change: int, path: bytes, count: int, scanner: SecretScanner, tmp_path: Path) -> None:
    jobs = write_folder(tmp_path)
    os.truncate(tmp_path / os.fsdecode(path), len(FILES[path]) + change)
    with workers(scanner, count) as made:

        def search() -> Searched:
            return made.search_files(tmp_path, jobs).result()

        with pytest.raises(StoreError):
            search()
        (tmp_path / os.fsdecode(path)).write_bytes(FILES[path])
        assert len(search().digests) == len(jobs), "and the processes go on"


class Remembering:
    """Files that gave nothing, by content and path; `asked` are those that somebody wanted to know of."""

    def __init__(self, *known: tuple[bytes, bytes]) -> None:
        self.known = {digest + path for digest, path in known}
        self.asked: list[bytes] = []

    def key(self, digest: bytes, path: bytes) -> bytes:
        return digest + path

    def knows(self, key: bytes) -> bool:
        self.asked.append(key)
        return key in self.known

    def add(self, key: bytes) -> None:
        self.known.add(key)


PROGRAM = b"const token = request.token;\nconst password = readPassword(prompt);\n"


@pytest.mark.parametrize(
    ("path", "data", "is_kept"),
    [
        pytest.param(b"src/a.ts", PROGRAM, True, id="what only looked like secrets"),
        pytest.param(b"config/app.env", b"MODE=production\n", True, id="configuration"),
        pytest.param(b"a.gz", gzip.compress(PROGRAM), True, id="something packed"),
        pytest.param(b"src/a.ts", PROGRAM + token_of("kept").encode(), False, id="a secret"),
        pytest.param(b"a.gz", gzip.compress(PROGRAM * 99)[:-12], False, id="something packed that is damaged"),
        pytest.param(b"root/.ssh/authorized_keys", pair("ed25519").login, False, id="a public key"),
        pytest.param(b"bin/tool", b"\x7f" + bytes(5000), False, id="what took no search"),
        pytest.param(b"x-1.dist-info/direct_url.json", b"{}", False, id="what is read for other things"),
    ],
)
def test_a_file_that_gave_nothing_is_remembered(
    path: bytes, data: bytes, is_kept: bool, scanner: SecretScanner, tmp_path: Path
) -> None:
    (tmp_path / "file").write_bytes(data)
    jobs = [FileJob(path=path, size=len(data), name=b"file")]
    searched = Remembering()
    with closing(Workers(scanner, 0, searched=searched)) as made:
        first = made.search_files(tmp_path, jobs).result()
        assert searched.known == ({content_digest(data) + path} if is_kept else set())
        assert made.search_files(tmp_path, jobs).result() == first


def test_what_is_known_is_not_searched(scanner: SecretScanner, tmp_path: Path) -> None:
    """The only way to see that: it is said to have given nothing, and holds a secret."""
    data = token_of("known").encode()
    searched = Remembering((content_digest(data), b"known.txt"))
    with closing(Workers(scanner, 0, searched=searched)) as made:
        for name in (b"known.txt", b"other.txt"):
            (tmp_path / os.fsdecode(name)).write_bytes(data)
        jobs = [FileJob(path=name, size=len(data), name=name) for name in (b"known.txt", b"other.txt")]
        found = made.search_files(tmp_path, jobs).result()
        assert [number for number, _ in found.found] == [1]
        assert found.digests == [content_digest(data)] * 2


@pytest.mark.parametrize("count", [0, 2])
def test_what_is_remembered_changes_nothing(count: int, scanner: SecretScanner, tmp_path: Path) -> None:
    files, kept = tmp_path / "files", tmp_path / "cache"
    files.mkdir()
    jobs = [*write_folder(files), FileJob(path=b"src/a.ts", size=len(PROGRAM), name=b"a.ts")]
    (files / "a.ts").write_bytes(PROGRAM)
    with workers(scanner, count) as plain:
        expected = told(plain.search_files(files, jobs).result())
    for _ in range(3):
        with (
            closing(SearchedFiles(kept, "rules")) as searched,
            closing(Workers(scanner, count, searched=searched)) as made,
        ):
            assert told(made.search_files(files, jobs).result()) == expected
            assert searched.knows(searched.key(content_digest(PROGRAM), b"src/a.ts"))
            assert told(made.search_slot(0, write_slot(made, 0)).result())[1] == expected[1]


def open_files() -> int:
    return len(list(Path("/proc/self/fd").iterdir()))


def test_no_folder_stays_open_in_this_process(scanner: SecretScanner, tmp_path: Path) -> None:
    jobs = write_folder(tmp_path)
    gone = [FileJob(path=b"a/gone", size=1, name=b"a/gone")]
    with workers(scanner, 0) as made:
        before = open_files()
        for _ in range(20):
            made.search_files(tmp_path, jobs).result()
            with pytest.raises(StoreError):
                made.search_files(tmp_path, gone)
        assert open_files() == before


def test_a_note_on_what_was_left_out(scanner: SecretScanner) -> None:
    from imgscan.detect.secrets.confirm import MOST_MATCHES

    many = b"".join(f"{token_of(str(number))}\n".encode() for number in range(MOST_MATCHES + 50))
    assert len(many) < SLOT_BYTES
    with workers(scanner, 1) as made:
        made.write(0, 0, many)
        there = made.search_slot(0, [FileJob(path=b"many", size=len(many))]).result()
        here = made.search_slot(0, [FileJob(path=b"many", size=len(many))], here=True).result()
    assert told(there) == told(here)
    assert there.found[0][1].notes


def children(parent: int) -> list[int]:
    """The processes that a process has started."""
    found = []
    for entry in Path("/proc").iterdir():
        if entry.name.isdigit():
            try:
                fields = (entry / "stat").read_text().rpartition(")")[2].split()
            except OSError:
                continue
            if int(fields[1]) == parent and fields[0] != "Z":
                found.append(int(entry.name))
    return found


def is_alive(pid: int) -> bool:
    try:
        return Path(f"/proc/{pid}/stat").read_text().rpartition(")")[2].split()[0] != "Z"
    except OSError:
        return False


def wait_until(condition: Callable[[], object], seconds: float = 60) -> None:
    deadline = time.monotonic() + seconds
    while not condition():
        assert time.monotonic() < deadline, "it does not come to pass"
        time.sleep(0.01)


def test_close_ends_every_process(scanner: SecretScanner, tmp_path: Path) -> None:
    jobs = write_folder(tmp_path)
    with workers(scanner, 2) as made:
        before = set(children(os.getpid()))
        made.search_files(tmp_path, jobs)
        started = set(children(os.getpid())) - before
        assert len(started) == 2
    assert not any(map(is_alive, started))
    made.close()  # again is nothing


def test_a_process_that_is_killed(scanner: SecretScanner, tmp_path: Path) -> None:
    """Whether its end is noticed by who waits for a batch or by who sends one."""
    jobs = write_folder(tmp_path)
    with workers(scanner, 2) as made:
        before = set(children(os.getpid()))
        made.search_files(tmp_path, jobs).result()
        for pid in set(children(os.getpid())) - before:
            os.kill(pid, signal.SIGKILL)

        def until_it_is_noticed() -> None:
            for _ in range(2000):
                made.search_files(tmp_path, jobs).result()

        with pytest.raises(WorkerError, match="ended in the middle"):
            until_it_is_noticed()
        with pytest.raises(WorkerError, match="ended in the middle") as caught:
            made.search_files(tmp_path, jobs)
    assert "--jobs 1" in caught.value.next_step


LINE = b"GET /index.html 200 0.123 some words that are in no rule of any kind\n"
LAYER = archive(*(member(b"log/%03d" % number, LINE * 4000) for number in range(60)))
SAVED = docker25(Made(layers=(LAYER,)))
FIRST = 12 << 20
"""So much of the archive fills several slots, so that processes have been started."""


@contextmanager
def scanning(folder: Path) -> Iterator[subprocess.Popen[bytes]]:
    """A scan of an archive that comes by standard input, of which it was given the beginning; its processes run."""
    assert len(LAYER) > FIRST + (1 << 20)
    environment = {**os.environ, "XDG_CACHE_HOME": str(folder)}
    # Under nohup a hang-up is ignored, and stays so in whatever is started; as by a terminal it is not.
    heeding = (
        "import os, signal, sys; signal.signal(signal.SIGHUP, signal.SIG_DFL); os.execv(sys.argv[1], sys.argv[1:])"
    )
    scan = [sys.executable, "-m", "imgscan", "scan", "--no-config", "--jobs", "2", "-"]
    command = [sys.executable, "-c", heeding, *scan]
    with subprocess.Popen(
        command,
        stdin=subprocess.PIPE,
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        start_new_session=True,
        env=environment,
        cwd=Path(__file__).parent.parent,
    ) as process:
        try:
            assert process.stdin is not None
            process.stdin.write(SAVED[:FIRST])
            process.stdin.flush()
            wait_until(lambda: len(children(process.pid)) == 2 or process.poll() is not None, 120)
            assert process.poll() is None
            yield process
        finally:
            if process.poll() is None:
                os.killpg(process.pid, signal.SIGKILL)
            process.communicate()


@pytest.fixture(scope="module")
def compiled(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A folder for compiled rules, used by all scans here."""
    return tmp_path_factory.mktemp("cache")


@pytest.mark.parametrize("number", [signal.SIGINT, signal.SIGTERM, signal.SIGHUP])
def test_ctrl_c(number: signal.Signals, compiled: Path) -> None:
    """As a terminal sends it, to all of the group at once."""
    with scanning(compiled) as process:
        started = children(process.pid)
        os.killpg(process.pid, number)
        out, error = process.communicate(timeout=120)
        assert (process.returncode, out) == (130, b"")
        assert error.strip().startswith(b"imgscan: interrupted")
        assert b"\n" not in error.strip()
        assert not any(map(is_alive, started))


def test_a_scan_whose_process_is_killed(compiled: Path) -> None:
    with scanning(compiled) as process:
        started = children(process.pid)
        os.kill(started[0], signal.SIGKILL)
        _, error = process.communicate(SAVED[FIRST:], timeout=120)
        assert process.returncode == 70
        assert error.startswith(b"imgscan: a process that searches files ended in the middle of its work")
        assert b"--jobs 1" in error
        assert b"Traceback" not in error
        assert not any(map(is_alive, started))


def test_no_process_outlives_a_scan_that_is_killed(compiled: Path) -> None:
    with scanning(compiled) as process:
        started = children(process.pid)
        process.kill()
        process.wait()
        wait_until(lambda: not any(map(is_alive, started)))


def test_a_scan_to_its_end(compiled: Path) -> None:
    with scanning(compiled) as process:
        started = children(process.pid)
        out, error = process.communicate(SAVED[FIRST:], timeout=120)
        assert process.returncode in (0, 1), error
        assert out
        assert not any(map(is_alive, started))
