"""The command line of an engine as scripts in the sandbox see it: it tells the broker what it was asked for, hands over
its input and outputs, and ends with the broker's exit code. Stands alone: it runs with nothing but the interpreter."""

import array
import json
import os
import socket
import sys

SOCKET = "/tools/engine.sock"


def main() -> int:
    """Ask the broker; 125 (docker's own code for its failures) if nobody answers."""
    message = json.dumps({"program": sys.argv[0].rpartition("/")[2], "words": sys.argv[1:]}).encode()
    streams = []
    for number in (0, 1, 2):
        try:
            os.fstat(number)
            streams.append(number)
        except OSError:
            streams.append(os.open(os.devnull, os.O_RDWR))
    with socket.socket(socket.AF_UNIX, socket.SOCK_STREAM) as broker:
        try:
            broker.connect(SOCKET)
        except OSError:
            sys.stderr.write("Cannot connect to the Docker daemon\n")
            return 125
        rights = array.array("i", streams)
        head = len(message).to_bytes(4, "big")
        broker.sendmsg([head], [(socket.SOL_SOCKET, socket.SCM_RIGHTS, rights)])
        broker.sendall(message)
        answer = broker.recv(1)
    return answer[0] if answer else 125


if __name__ == "__main__":
    sys.exit(main())
