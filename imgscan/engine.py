"""The container engine: a thin, typed edge around the docker SDK's `APIClient`.

In: requests of imgscan. Out: plain records and streams, and only `EngineError` (the engine is not there, or went away)
or `InputError` (no such image) on failure. Works with Docker 20.10 and later and with Podman's compatible API.
"""

from __future__ import annotations

import os
import re
import time
from collections.abc import Callable, Collection, Iterator, Mapping
from contextlib import contextmanager, suppress
from pathlib import Path
from types import TracebackType
from typing import TYPE_CHECKING, Any, Final, Self, cast

from imgscan.endpoint import Endpoint, advise, find_endpoints
from imgscan.enginerecords import CacheRecord, EngineInfo, ImageRecord, read_info, read_time, short_tag
from imgscan.errors import EngineError, InputError
from imgscan.escape import plain, shorten
from imgscan.quickget import ABOUT_ENGINE, about_image, quick_get, quick_gets

if TYPE_CHECKING:
    from docker import APIClient

    from imgscan.build.wire import BuildStream

_TIMEOUT_S: Final = 60
_CONNECT_TIMEOUT_S: Final = 10
_PRUNE_TIMEOUT_S: Final = 300
_PRUNED_AT_ONCE: Final = 200
_RETRIES: Final = 10
_RETRY_S: Final = 0.5

__all__ = ["CacheRecord", "Engine", "EngineInfo", "ImageRecord", "open_client"]


class Engine:
    """A connected engine; use it as a context manager or `close` it."""

    def __init__(
        self, api: APIClient | None, host: str, *, endpoint: Endpoint | None = None, info: EngineInfo | None = None
    ) -> None:
        self._api = api
        self._endpoint = endpoint or Endpoint(host=host, origin="given")
        self.host = host
        self.info = info or self._read_info()

    @property
    def api(self) -> APIClient:
        """The SDK's client, made when it is first needed. Raises EngineError when the engine is not there any more."""
        if self._api is None:
            try:
                self._api = open_client(self._endpoint)
            except EngineError as error:
                raise EngineError(
                    f"the engine at {self.host} went away",
                    cause=error.cause,
                    next_step="see that it runs (docker info), then run the same command again",
                ) from error
        return self._api

    @property
    def _sdk(self) -> Any:  # noqa: ANN401 - the same, for what the SDK's type stubs do not know
        return self.api

    @classmethod
    def connect(cls, host: str | None = None) -> Self:
        """The engine at `host`, else the one that DOCKER_HOST, the docker context or the usual sockets reach.

        Raises EngineError that lists what was tried.
        """
        endpoints = find_endpoints(host, os.environ, Path.home())
        tried: list[str] = []
        for endpoint in endpoints:
            path = endpoint.host.removeprefix("unix://")
            if len(endpoints) > 1 and endpoint.host.startswith("unix://") and not Path(path).exists():
                tried.append(f"{path} (not there)")
                continue
            try:
                return cls._open(endpoint)
            except EngineError as error:
                tried.append(f"{endpoint.host} ({endpoint.origin}): {error.cause or error.what}")
        raise EngineError(
            "no container engine answers",
            cause="tried " + "; ".join(tried),
            next_step=advise(tried),
        )

    @classmethod
    def _open(cls, endpoint: Endpoint) -> Self:
        version, info = quick_gets(endpoint.host, ABOUT_ENGINE)
        if version and info:
            return cls(None, endpoint.host, endpoint=endpoint, info=read_info(version, info))
        client = open_client(endpoint)
        try:
            return cls(client, endpoint.host)
        except BaseException:
            client.close()
            raise

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, value: BaseException | None, trace: TracebackType | None
    ) -> None:
        self.close()

    def close(self) -> None:
        """Close every connection."""
        if self._api is not None:
            self._api.close()

    @contextmanager
    def calling(self, doing: str, image: str | None = None) -> Iterator[None]:
        """Errors of the SDK and of the connection become EngineError; `image` not being there becomes InputError."""
        import docker.errors
        import requests.exceptions
        import urllib3.exceptions

        try:
            yield
        except docker.errors.NotFound as error:
            if image is None:
                raise EngineError(
                    f"the engine at {self.host} failed while {doing}", cause=engine_words(error)
                ) from error
            raise InputError(
                f"no image {plain(shorten(image, 200))} in the engine at {self.host}",
                next_step=f"docker pull {plain(shorten(image, 200))}, or docker images to see what is there",
            ) from error
        except docker.errors.DockerException as error:
            raise EngineError(f"the engine at {self.host} failed while {doing}", cause=engine_words(error)) from error
        except requests.exceptions.Timeout as error:
            raise EngineError(f"the engine at {self.host} did not answer in time while {doing}") from error
        except (requests.exceptions.RequestException, urllib3.exceptions.HTTPError, OSError) as error:
            raise self.went_away(doing, error) from error

    def went_away(self, doing: str, error: Exception | None = None) -> EngineError:
        """The error for a connection that broke."""
        return EngineError(
            f"the engine at {self.host} went away while {doing}",
            cause=_connection_words(error) if error else "the connection was closed in the middle of its answer",
            next_step="see that it runs (docker info), then run the same command again",
        )

    def inspect_image(self, ref: str) -> dict[str, Any]:
        """The engine's record of an image."""
        if self._api is None:
            found = quick_get(self.host, about_image(ref))
            if found is not None and found.get("Id"):
                return found
        with self.calling("reading an image's configuration", ref):
            return dict(self._sdk.inspect_image(ref))

    def history(self, ref: str) -> list[dict[str, Any]]:
        """The image's history, newest entry first, as the engine gives it."""
        with self.calling("reading an image's history", ref):
            return list(self._sdk.history(ref))

    def image_ids(self) -> frozenset[str]:
        """The ids of all images, intermediate ones included."""
        return frozenset(image.id for image in self.images())

    def images(self) -> tuple[ImageRecord, ...]:
        """All images, intermediate ones of the classic builder and Podman included."""
        with self.calling("listing images"):
            listed = self.api.images(all=True)
        return tuple(
            ImageRecord(id=str(image["Id"]), parent=str(image.get("ParentId") or ""), tags=_real_tags(image))
            for image in listed
        )

    def tags(self, prefix: str = "") -> dict[str, str]:
        """Tag -> image id of every tag that starts with `prefix`, in the form that the engine accepts back."""
        with self.calling("listing images"):
            images = self.api.images()
        named = {tag: str(image["Id"]) for image in images for tag in _real_tags(image)}
        return {tag: image_id for tag, image_id in named.items() if short_tag(tag).startswith(prefix)}

    def remove_image(self, ref: str, *, force: bool = False, prune_parents: bool = True) -> bool:
        """Remove a tag, and the image when it was the last one; False when it is not there or something needs it."""
        import docker.errors

        with self.calling(f"removing {ref}"):
            try:
                self.api.remove_image(ref, force=force, noprune=not prune_parents)
            except docker.errors.APIError as error:
                if error.status_code in (404, 409):
                    return False
                raise
        return True

    def container_ids(self) -> frozenset[str]:
        """The ids of all containers, running or not."""
        with self.calling("listing containers"):
            return frozenset(str(container["Id"]) for container in self.api.containers(quiet=True, all=True))

    def remove_container(self, container_id: str) -> None:
        """Stop and remove a container; no error when it is gone already or being removed."""
        import docker.errors

        with self.calling("removing a container"):
            try:
                self.api.remove_container(container_id, force=True, v=True)
            except docker.errors.APIError as error:
                if error.status_code not in (404, 409):
                    raise

    def cache_records(self) -> tuple[CacheRecord, ...]:
        """The build cache; empty for engines that have none."""
        params = {"type": "build-cache"} if self._api_at_least(1, 42) else {}
        with self.calling("listing the build cache"):
            response = self._retrying(lambda: self._get("/system/df", params))
        return tuple(
            CacheRecord(
                id=str(record.get("ID") or ""),
                kind=str(record.get("Type") or ""),
                description=str(record.get("Description") or ""),
                size_bytes=int(record.get("Size") or 0),
                in_use=bool(record.get("InUse")),
                created_s=read_time(str(record.get("CreatedAt") or "")),
            )
            for record in response.get("BuildCache") or ()
        )

    def prune_cache_records(self, record_ids: Collection[str]) -> int:
        """Remove these records of the build cache by their ids, nothing else; bytes freed. A record that another one is
        made from goes only if that one goes, too."""
        from docker.utils import convert_filters

        for record_id in record_ids:
            if not re.fullmatch(r"[A-Za-z0-9]{8,}", record_id):
                # The engine takes the filter as a regular expression: anything but an id could match more than one.
                raise ValueError(f"not the id of a cache record: {record_id!r}")
        freed = 0
        # The engine looks at all its records for every request.
        waiting = list(record_ids)
        while waiting:
            ids, waiting = waiting[:_PRUNED_AT_ONCE], waiting[_PRUNED_AT_ONCE:]
            # `all` lets go of records that the engine counts as shared, which only says that there are layers like it.
            params = {"all": "1", "filters": convert_filters({"id": f"^({'|'.join(ids)})$"})}
            with self.calling("removing what builds of this run left in the cache"):
                response = self.api.post(self.api_url("/build/prune"), params=params, timeout=_PRUNE_TIMEOUT_S)
                self._sdk._raise_for_status(response)
                freed += int(response.json().get("SpaceReclaimed") or 0)
        return freed

    def build(
        self, body: Iterator[bytes], params: Mapping[str, str], headers: Mapping[str, str] | None = None
    ) -> BuildStream:
        """Start a build: sends the tar and gives the engine's records as they come. `close` cancels the build.

        Raises EngineError when the engine refuses the request, in its words, or is gone.
        """
        from imgscan.build.wire import start_build

        return start_build(self, body, params, headers or {})

    def cancel_build(self, build_id: str) -> None:
        """Cancel the build that was started with `buildid`; no error when it is over or the engine cannot."""
        # Whatever goes wrong here (the errors of requests are OSErrors): closing the connection has cancelled it too.
        with suppress(OSError, EngineError):
            self.api.post(self.api_url("/build/cancel"), params={"id": build_id}, timeout=_CONNECT_TIMEOUT_S)

    def registry_headers(self) -> dict[str, str]:
        """The header with the user's registry logins, for builders that pull base images themselves."""
        import docker.errors

        headers: dict[str, str] = {}
        try:
            self._sdk._set_auth_headers(headers)
        except (docker.errors.DockerException, OSError, ValueError):
            # A broken credential helper must not stop builds that pull nothing.
            return {}
        return headers

    def api_url(self, path: str) -> str:
        """The full URL of a path of the negotiated API version."""
        return f"{self.api.base_url}/v{self.api.api_version}{path}"

    def _retrying(self, call: Callable[[], dict[str, Any]]) -> dict[str, Any]:
        """The engine measures its disk for one client at a time and refuses all others; it is quick, so ask again."""
        import docker.errors

        for _ in range(_RETRIES):
            try:
                return call()
            except docker.errors.APIError:
                time.sleep(_RETRY_S)
        return call()

    def _get(self, path: str, params: Mapping[str, str]) -> dict[str, Any]:
        response = self.api.get(self.api_url(path), params=params, timeout=_TIMEOUT_S)
        self._sdk._raise_for_status(response)
        return dict(response.json())

    def _api_at_least(self, major: int, minor: int) -> bool:
        parts = self.info.api_version.split(".")
        return tuple(int(part) for part in parts[:2] if part.isdigit()) >= (major, minor)

    def _read_info(self) -> EngineInfo:
        with self.calling("reading its version"):
            version, info = self.api.version(), self.api.info()
        return read_info(version, info)


def _real_tags(image: Mapping[str, Any]) -> tuple[str, ...]:
    return tuple(str(tag) for tag in image.get("RepoTags") or () if tag != "<none>:<none>")


def open_client(endpoint: Endpoint) -> APIClient:
    """A client whose API version is negotiated; EngineError when nothing answers."""
    import docker.errors
    import requests.exceptions
    from docker import APIClient
    from docker.constants import MINIMUM_DOCKER_API_VERSION

    from imgscan.unixadapter import use_unix_adapter

    failures = (docker.errors.DockerException, requests.exceptions.RequestException, OSError, ValueError)
    try:
        client: Any = APIClient(
            base_url=endpoint.host, version=MINIMUM_DOCKER_API_VERSION, timeout=_CONNECT_TIMEOUT_S, tls=_tls(endpoint)
        )
    except failures as error:
        raise EngineError(f"no engine at {endpoint.host}", cause=_connection_words(error)) from error
    if endpoint.host.startswith("unix://"):
        use_unix_adapter(client, endpoint.host, _CONNECT_TIMEOUT_S)
    try:
        # What `version="auto"` does, except that a failure leaves no socket open behind a client one cannot close.
        client._version = client._retrieve_server_version()
    except failures as error:
        client.close()
        raise EngineError(f"no engine at {endpoint.host}", cause=_connection_words(error)) from error
    client.timeout = _TIMEOUT_S
    if endpoint.host.startswith("unix://"):
        # A proxy of the environment is for the network; a socket needs none.
        client.trust_env = False
    return cast("APIClient", client)


def _tls(endpoint: Endpoint) -> Any:  # noqa: ANN401 - the SDK wants a TLSConfig or False
    if endpoint.tls_dir is None:
        return False
    from docker.tls import TLSConfig

    directory = endpoint.tls_dir
    pair = (str(directory / "cert.pem"), str(directory / "key.pem"))
    ca_cert = directory / "ca.pem"
    return TLSConfig(
        client_cert=pair if all(Path(part).is_file() for part in pair) else None,
        ca_cert=str(ca_cert) if endpoint.tls_verify and ca_cert.is_file() else None,
        verify=endpoint.tls_verify,
    )


def engine_words(error: Exception) -> str:
    """What the engine said, without the SDK's wrapping."""
    return plain(str(getattr(error, "explanation", None) or error))


def _connection_words(error: Exception) -> str:
    """The innermost reason of a failed connection: `[Errno 13] Permission denied` out of three wrapped errors."""
    reason: BaseException = error
    for _ in range(8):
        inner = reason.__cause__ or reason.__context__
        if inner is None:
            break
        reason = inner
    if isinstance(reason, OSError) and reason.strerror:
        return reason.strerror.lower()
    if isinstance(reason, ValueError):
        # http.client reads the length of the next chunk from a connection that is no more.
        return "the connection was closed in the middle of its answer"
    return plain(shorten(str(reason) or type(reason).__name__, 300))
