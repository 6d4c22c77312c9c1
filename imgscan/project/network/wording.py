"""Names of variables: which may be meant for a browser, which for a server's own address, which name a host. Data."""

from __future__ import annotations

from typing import Final

from imgscan.lazyre import lazy_re


def _set(words: str) -> frozenset[str]:
    return frozenset(words.split())


BROWSER_PREFIX: Final = lazy_re(
    r"(?:NEXT_PUBLIC|VITE|REACT_APP|VUE_APP|NUXT_PUBLIC|PUBLIC|GATSBY|EXPO_PUBLIC|NG_APP|STORYBOOK|PARCEL|SNOWPACK_PUBLIC|WDS)_"
)
BROWSER_WORDS: Final = _set(
    "PUBLIC EXTERNAL BROWSER ORIGIN ORIGINS CORS CALLBACK CALLBACKS REDIRECT REDIRECTS FRONTEND CLIENT SITE ROOT "
    "ISSUER HOMEPAGE DOMAIN DOMAINS ADVERTISED ALLOWED VIRTUAL LETSENCRYPT CSRF TRUSTED WEB CDN WEBAPP UI LINK LINKS "
    "BASE APP SELF NEXTAUTH CANONICAL REFERER REFERRER LOGIN LOGOUT WEBSITE DASHBOARD WEBHOOK PORTAL WEBROOT PUBLISHED "
    "HOSTNAME SERVER_NAME AUDIENCE"
)
BIND_NAMES: Final = _set(
    "HOST HOSTNAME BIND LISTEN ADDRESS ADDR IP SERVER_HOST APP_HOST WEB_HOST API_HOST FLASK_RUN_HOST UVICORN_HOST "
    "NITRO_HOST NUXT_HOST HTTP_HOST"
)
BIND_WORDS: Final = frozenset({"BIND", "LISTEN", "LISTENER", "LISTENERS", "INTERFACE", "ADVERTISED"})
HOST_ENDINGS: Final = _set(
    "HOST HOSTS HOSTNAME SERVER SERVERS ADDR ADDRESS ENDPOINT ENDPOINTS NODES BROKER BROKERS UPSTREAM BACKEND SERVICE "
    "TARGET URL URI SEEDS"
)
UNKNOWN_ENDINGS: Final = frozenset({"HOST", "HOSTNAME", "SERVER", "ADDR"})
NO_ADDRESS: Final = frozenset(
    {"IMAGE", "TAG", "VERSION", "TIME", "DATE", "SCHEDULE", "RATIO", "USER", "UID", "PASSWORD"}
)
_PART: Final = lazy_re(r"[_.\-]+|(?<=[a-z])(?=[A-Z])")


def words_of(name: str) -> frozenset[str]:
    """The words of a variable's name, in capitals."""
    return frozenset(part.upper() for part in _PART.split(name) if part)


def is_for_browser(name: str) -> bool:
    """Whether an address in that variable may be one for browsers, outside of every container."""
    return bool(BROWSER_PREFIX.match(name) or words_of(name) & BROWSER_WORDS)
