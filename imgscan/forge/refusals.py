"""What a forge says when it does not do what it is asked: status, headers and its words -> the error to raise. Pure."""

from __future__ import annotations

from typing import Final

from imgscan.errors import EngineError
from imgscan.source.backoff import TransientError, retry_after

_BUSY: Final = frozenset({408, 425, 429, 500, 502, 503, 504})
_SECONDARY_S: Final = 60.0
"""What GitHub asks to wait after a secondary limit that names no time."""


class RefusedError(EngineError):
    """The forge understood, and will not: the token may not do this here (403)."""


class GoneError(EngineError):
    """What was asked for is not there, or not for this token (404, 410)."""


class LimitedError(TransientError):
    """Turned away by a rate limit: nothing was done."""


class UnsureError(TransientError):
    """No answer to a request that must not be sent twice: it may have been carried out."""


def wait_of(headers: dict[str, str], now: float) -> float | None:
    """Seconds until it may be tried again, as the headers of GitHub and GitLab say it; None: they do not.

    `headers` has Retry-After and, with or without X- before them, RateLimit-Remaining and RateLimit-Reset (seconds
    since the epoch, as is `now`), "" where they were not sent.
    """
    asked = retry_after(headers["Retry-After"], now)
    if asked is not None:
        return asked
    for prefix in ("X-RateLimit", "RateLimit"):
        reset = headers[f"{prefix}-Reset"].strip()
        if headers[f"{prefix}-Remaining"].strip() == "0" and reset.isascii() and reset.isdigit():
            return max(1.0, float(reset[:12]) - now)
    return None


def refusal(host: str, variable: str, status: int, words: str, wait_s: float | None) -> Exception:
    """The error for an answer that is no success. `variable` is where the token came from, `words` the forge's own."""
    said = f"{host} answered with status {status}" + (f": {words}" if words else "")
    if status in (403, 429) and wait_s is None and "rate limit" in words.lower():
        wait_s = _SECONDARY_S
    if status == 429 or (status == 403 and wait_s is not None):
        return LimitedError(f"{said} (a rate limit)", retry_after_s=wait_s)
    if status in _BUSY:
        return TransientError(said, retry_after_s=wait_s)
    return _final(host, variable, status, said)


def _final(host: str, variable: str, status: int, said: str) -> EngineError:
    match status:
        case 401:
            return EngineError(
                f"{host} does not accept the token in {variable}",
                cause=said,
                next_step=f"see that it is one of {host}, whole, and has not expired"
                if variable != "CI_JOB_TOKEN"
                else "a job's own token cannot write notes: give a project access token with scope api in GITLAB_TOKEN",
            )
        case 403:
            return RefusedError(
                f"the token in {variable} may not do this",
                cause=said,
                next_step="give the job write access (GitHub: `permissions: pull-requests: write`; GitLab: a project "
                "access token with scope api in GITLAB_TOKEN)",
            )
        case 404 | 410:
            return GoneError(
                f"{host} knows no such project, pull request or comment",
                cause=f"{said}; what a token may not see is answered like what is not there",
                next_step=f"check project and number, and what the token in {variable} may see",
            )
        case 422:
            return EngineError(
                f"{host} does not take the comment", cause=said, next_step="--dry-run prints it; is the thread locked?"
            )
        case _:
            pass
    return EngineError(said, next_step="--api-url is the address of the API; --dry-run prints the comment")


def gave_up(host: str, doing: str, error: TransientError) -> EngineError:
    """The error for something that was tried often enough."""
    pause = error.retry_after_s
    return EngineError(
        f"{host} could not be asked: {doing}",
        cause=error.reason,
        next_step=f"it asks to wait {pause:,.0f} s; then run the same command again"
        if pause
        else "see that it can be reached from here, then run the same command again",
    )
