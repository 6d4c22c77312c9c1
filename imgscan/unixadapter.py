"""The SDK's way to an engine's unix socket, but for one thing: a connection that does not come about is closed at once.

The SDK's own leaves such a socket to the garbage collector, when the engine ends under a client's feet or an interrupt
arrives while it connects.
"""

from __future__ import annotations

import socket
from typing import Any

from docker.transport.unixconn import UnixHTTPAdapter, UnixHTTPConnection, UnixHTTPConnectionPool


class _Connection(UnixHTTPConnection):
    def connect(self) -> None:
        self.sock = socket.socket(socket.AF_UNIX, socket.SOCK_STREAM)
        try:
            self.sock.settimeout(self.timeout)
            self.sock.connect(self.unix_socket)
        except BaseException:
            self.close()
            raise


class _Pool(UnixHTTPConnectionPool):
    def _new_conn(self) -> Any:  # noqa: ANN401 - the stubs of the SDK and of urllib3 contradict each other
        timeout: Any = self.timeout
        return _Connection(self.base_url, self.socket_path, timeout)


class _Adapter(UnixHTTPAdapter):
    def get_connection(self, url: Any, proxies: object = None) -> UnixHTTPConnectionPool:  # noqa: ANN401 - as above
        """The pool of `url`, made when it is first asked for; there are no proxies on the way to a socket."""
        with self.pools.lock:
            pool = self.pools.get(url)
            if pool is None:
                pool = _Pool(url, self.socket_path, self.timeout, maxsize=self.max_pool_size)
                self.pools[url] = pool
            return pool


def use_unix_adapter(client: Any, host: str, timeout_s: int) -> None:  # noqa: ANN401
    """Have `client` reach `host`, `unix://…`, by connections that are closed whatever happens."""
    adapter = _Adapter(f"http+{host}", timeout_s)
    client._custom_adapter = adapter
    client.mount("http+docker://", adapter)
