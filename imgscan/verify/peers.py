"""Connections along the edges of the service graph, from the client's own namespace. In: a running stack and an edge.
Out: one word: OK, ENOTFOUND, ECONNREFUSED, ETIMEDOUT …, or nothing where nobody could ask.

Asked with what the client's image has (node, python, bash, nc); else from another image of the stack in the client's
network namespace; else, as root on the engine's own machine, by nsenter.
"""

from __future__ import annotations

import re
import shutil
import sys
from collections.abc import Iterator
from contextlib import suppress
from pathlib import Path
from typing import Final

from imgscan.errors import EngineError
from imgscan.frozen import frozen
from imgscan.lazyre import lazy_re
from imgscan.verify.process import run_bounded
from imgscan.verify.scratch import LABEL
from imgscan.verify.stack import Stack, State

_WORD: Final = lazy_re(r"imgscan:([A-Z_0-9]+)")
_PROBE_FILE: Final = Path(__file__).parent / "peerprobe.py"
_NODE: Final = (
    "const [h,p]=process.argv.slice(1);const t=w=>{console.log('imgscan:'+w);process.exit(0)};"
    "const s=require('net').connect({host:h,port:+p});s.setTimeout(3000);s.on('connect',()=>t('OK'));"
    "s.on('timeout',()=>t('ETIMEDOUT'));s.on('error',e=>t(e.code||'EIO'))"
)
_BASH: Final = 'timeout 4 bash -c \': <"/dev/tcp/$0/$1"\' "$0" "$1" && echo imgscan:OK'
_NC: Final = 'nc -z -w 3 "$0" "$1" && echo imgscan:OK'
# What bash, busybox and netcats say, and what Node calls it.
_WORDS: Final = (
    (
        re.compile(r"not known|bad address|lookup failed|not resolve|No address|name resolution|getaddrinfo"),
        "ENOTFOUND",
    ),
    (re.compile(r"[Rr]efused"), "ECONNREFUSED"),
    (re.compile(r"timed out|[Tt]imeout"), "ETIMEDOUT"),
    (re.compile(r"unreachable|No route"), "EHOSTUNREACH"),
)
_RESOLVER: Final = "127.0.0.11"
_MISSING: Final = frozenset({126, 127})


@frozen
class Answer:
    """What came of a connection: a word, and how it was asked."""

    word: str
    asked: str


def connect(stack: Stack, client: State, host: str, port: int) -> Answer | None:
    """Connect from a client's namespace to a host and port; None if there is no way to ask."""
    for ask in (ask_inside, ask_beside, ask_from_machine):
        answer = ask(stack, client, host, port)
        if answer is not None:
            return answer
    return None


def commands(host: str, port: int) -> Iterator[tuple[str, list[str]]]:
    """Ways to ask, by the program that each needs."""
    script = _PROBE_FILE.read_text(encoding="utf-8")
    yield "node", ["node", "-e", _NODE, host, str(port)]
    yield "python", ["python3", "-c", script, host, str(port)]
    yield "bash", ["bash", "-c", _BASH, host, str(port)]
    yield "nc", ["sh", "-c", _NC, host, str(port)]


def read_answer(text: str, code: int) -> str | None:
    """The word in what a way of asking wrote; None if the program is not there."""
    found = _WORD.search(text)
    if found:
        return found[1]
    if code in _MISSING or "not found" in text or "not supported" in text or "invalid option" in text:
        return None
    word = next((word for pattern, word in _WORDS if pattern.search(text)), None)
    # `timeout` ends with 124; a netcat that says nothing only says that it failed.
    return word or ("ETIMEDOUT" if code == 124 else None)


def ask_inside(stack: Stack, client: State, host: str, port: int) -> Answer | None:
    """With what the client's own image has."""
    for program, command in commands(host, port):
        code, text = stack.execute(client, command)
        word = read_answer(text, code)
        if word is not None:
            return Answer(word=word, asked=f"with {program} in {client.service}")
    return None


def ask_beside(stack: Stack, client: State, host: str, port: int) -> Answer | None:
    """From another image of the stack, in the client's network namespace."""
    images = {str(service["image"]) for service in stack.scratch.document["services"].values()}
    for image in sorted(images):
        for program, command in commands(host, port):
            with suppress(EngineError):
                word = read_answer(*_run_helper(stack, client, image, command))
                if word is not None:
                    return Answer(word=word, asked=f"with {program} beside {client.service}")
    return None


def _run_helper(stack: Stack, client: State, image: str, command: list[str]) -> tuple[str, int]:
    engine = stack.bench.engine
    with engine.calling("asking from a helper container"):
        config = engine.api.create_host_config(network_mode=f"container:{client.container}", cap_drop=["ALL"])
        made = engine.api.create_container(
            image,
            entrypoint=command[:1],
            command=command[1:],
            host_config=config,
            labels={LABEL: stack.bench.label},
            healthcheck={"test": ["NONE"]},
        )["Id"]
    try:
        with engine.calling("asking from a helper container"):
            engine.api.start(made)
            code = engine.api.wait(made, timeout=10).get("StatusCode", 1)
            return engine.api.logs(made).decode("utf-8", "replace"), int(code)
    finally:
        engine.remove_container(str(made))


def ask_from_machine(stack: Stack, client: State, host: str, port: int) -> Answer | None:
    """As root, on the machine that the engine runs on, in the container's network namespace."""
    nsenter = shutil.which("nsenter")
    try:
        ours = client.container in Path(f"/proc/{client.pid}/cgroup").read_text(encoding="ascii", errors="replace")
        if nsenter is None or not ours:
            return None
        command = [
            nsenter,
            "-t",
            str(client.pid),
            "-n",
            "--",
            sys.executable,
            "-ISE",
            str(_PROBE_FILE),
            host,
            str(port),
        ]
        ran = run_bounded([*command, _RESOLVER], env={"PATH": "/usr/bin:/bin"}, timeout_s=10)
    except OSError:
        return None
    word = read_answer(ran.text, ran.code)
    return None if word is None else Answer(word=word, asked=f"from {client.service}'s network namespace")
