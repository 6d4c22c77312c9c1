"""One registry for many of its repositories: connections, logins and what is known of the host are shared.

In: `HOST[:PORT]`, and the hosts that may do without TLS. Out: a `RegistryClient` for each repository, or for the
catalogue.
"""

from __future__ import annotations

import os
import threading
from collections.abc import Iterable, Mapping
from pathlib import Path
from types import TracebackType
from typing import Self

from imgscan.source.backoff import Effects
from imgscan.source.credentials import HelperAnswer, RunHelper, find_login, run_helper
from imgscan.source.reference import Reference, parse_host, registry_of
from imgscan.source.registryclient import RegistryClient, find_scheme
from imgscan.source.registryhttp import CERTS_DIRS, Transport


class RegistryHost:
    """A registry; use it as a context manager or `close` it. Threads may share it."""

    def __init__(
        self,
        host: str,
        *,
        insecure_hosts: Iterable[str] = (),
        environment: Mapping[str, str] | None = None,
        home: Path | None = None,
        certs_dirs: Iterable[Path] = CERTS_DIRS,
        effects: Effects | None = None,
        run: RunHelper = run_helper,
    ) -> None:
        """`environment` and `home` say where the user's logins are. Raises InputError for what is no host."""
        self.catalogue = registry_of(host)
        self._insecure = self.catalogue.host in {parse_host(one) for one in insecure_hosts}
        self._environment = os.environ if environment is None else environment
        self._home = home or Path.home()
        self._effects = effects
        self._run = run
        self._lock = threading.Lock()
        self._scheme: str | None = None
        self._helpers: dict[tuple[str, str], HelperAnswer] = {}
        self._transport = Transport(
            insecure_host=self.catalogue.api_host if self._insecure else None, certs_dirs=certs_dirs
        )

    def client(self, reference: Reference) -> RegistryClient:
        """A client for a repository of this registry, or for `catalogue`. Raises EngineError where the host cannot be
        asked at all."""
        with self._lock:
            if self._scheme is None:
                self._scheme = find_scheme(self._transport, reference.api_host, insecure=self._insecure)
            login = find_login(reference, environment=self._environment, home=self._home, run=self._ask_once)
        return RegistryClient(
            reference, login, self._transport, insecure=self._insecure, effects=self._effects, scheme=self._scheme
        )

    def close(self) -> None:
        """Close every connection."""
        self._transport.close()

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, value: BaseException | None, trace: TracebackType | None
    ) -> None:
        self.close()

    def _ask_once(self, program: str, server: str) -> HelperAnswer:
        """What a credential helper says of the registry, which is the same for all of its repositories."""
        if (program, server) not in self._helpers:
            self._helpers[program, server] = self._run(program, server)
        return self._helpers[program, server]
