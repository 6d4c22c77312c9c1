"""Names that say what a value is: secret, or new with every build. Pure; for the checks of Dockerfile and image.

A name is cut into words at `_`, `-` and between camelCase parts, so that KEYCLOAK is no KEY and TOKENIZERS no TOKEN.
"""

from __future__ import annotations

import re
from typing import Final

from imgscan.lazyre import lazy_re

_CUT: Final = lazy_re(r"[^A-Za-z0-9]+|(?<=[a-z0-9])(?=[A-Z])")
_SECRET_WORDS: Final = frozenset(
    {
        *("password", "passwd", "passphrase", "pass", "pword", "secret", "secrets", "token", "apikey", "credential"),
        *("credentials", "authtoken", "accesstoken", "secretkey", "privatekey", "accesskey", "pat", "psk", "apitoken"),
    }
)
_KEY_OWNERS: Final = frozenset(
    {
        *("api", "access", "private", "secret", "auth", "encryption", "signing", "sign", "master", "ssh", "license"),
        *(
            "account",
            "client",
            "app",
            "admin",
            "service",
            "storage",
            "stripe",
            "openai",
            "aws",
            "deploy",
            "jwt",
            "session",
        ),
        *("cookie", "hmac", "crypt", "crypto", "write", "sendgrid", "mailgun", "twilio", "datadog", "sentry", "npm"),
        *("shared", "subscription", "consumer", "anthropic", "google", "azure", "github", "gitlab", "django", "rails"),
    }
)
_NOT_SECRET_ENDS: Final = frozenset(
    {
        *(
            "file",
            "path",
            "dir",
            "directory",
            "url",
            "uri",
            "endpoint",
            "host",
            "port",
            "name",
            "user",
            "username",
            "id",
        ),
        *(
            "length",
            "size",
            "ttl",
            "expiry",
            "expires",
            "expiration",
            "timeout",
            "issuer",
            "algorithm",
            "alg",
            "header",
        ),
        *("type", "enabled", "disabled", "required", "count", "limit", "max", "min", "regex", "pattern", "policy"),
        *(
            "manager",
            "store",
            "prefix",
            "suffix",
            "field",
            "provider",
            "version",
            "lifetime",
            "days",
            "hours",
            "minutes",
        ),
        *("seconds", "class", "mode", "format", "encoding", "rounds", "hash", "sha256", "checksum", "reset", "mount"),
        *(
            "dummy",
            "arn",
            "ref",
            "location",
            "rotation",
            "duration",
            "age",
            "parallelism",
            "audience",
            "scope",
            "scopes",
        ),
    }
)
_PUBLIC: Final = frozenset({"public", "pub", "publishable", "example", "dummy"})
_PLACEHOLDER: Final = lazy_re(
    r"(?:(?:change|replace)[-_ ]?(?:me|it|this)(?:[-_ ].*)?|dummy|example|placeholder|test(?:ing)?|fake"
    r"|none|null|nil|undefined|todo|tbd|secret|password|passwd|token|build(?:time)?(?:[-_]only)?|unused|x{3,}|\*{3,}|\.{3,}|<.*>|\[.*\]"
    r"|your[-_ ].*|not[-_ ]?(?:a[-_ ])?(?:real|secret|set|used).*|true|false|yes|no|on|off|[0-9]{1,3})",
    re.IGNORECASE,
)
_VOLATILE: Final = frozenset(
    {
        *(
            "git_sha",
            "git_commit",
            "git_rev",
            "git_revision",
            "git_hash",
            "git_ref",
            "git_branch",
            "git_tag",
            "git_version",
        ),
        *("git_sha1", "git_short_sha", "git_commit_sha", "git_commit_hash", "git_describe", "git_commit_date", "sha"),
        *("commit", "commit_sha", "commit_hash", "commit_id", "commit_ref", "commit_date", "commit_time", "commitsha"),
        *("source_commit", "source_version", "source_revision", "head_sha", "sha1", "short_sha", "gitsha", "gitcommit"),
        *("vcs_ref", "vcs_revision", "vcs_url_ref", "revision", "rev", "build_sha", "build_commit", "build_ref"),
        *(
            "build_date",
            "build_time",
            "build_timestamp",
            "build_datetime",
            "builddate",
            "buildtime",
            "timestamp",
            "date",
        ),
        *("created", "build_id", "build_number", "build_num", "buildnumber", "build_no", "build_tag", "build_version"),
        *(
            "build_rev",
            "build_revision",
            "build_url",
            "build_hash",
            "version",
            "app_version",
            "release",
            "release_version",
        ),
        *("package_version", "image_version", "image_tag", "app_release", "service_version", "sentry_release", "now"),
        *("github_sha", "github_ref", "github_run_id", "github_run_number", "github_ref_name", "run_id", "run_number"),
        *(
            "circle_sha1",
            "circle_build_num",
            "travis_commit",
            "travis_build_number",
            "bitbucket_commit",
            "drone_commit",
        ),
        *(
            "buildkite_commit",
            "buildkite_build_number",
            "heroku_slug_commit",
            "render_git_commit",
            "railway_git_commit_sha",
        ),
        *("vercel_git_commit_sha", "codebuild_resolved_source_version", "cachebust", "cache_bust", "cachebuster"),
        *(
            "source_date_epoch",
            "git_describe_tags",
            "org.opencontainers.image.revision",
            "org.opencontainers.image.created",
        ),
        *("org.opencontainers.image.version", "org.label-schema.vcs-ref", "org.label-schema.build-date"),
    }
)
_AMBIGUOUS: Final = frozenset(
    {"version", "release", "date", "app_version", "release_version", "package_version", "rev"}
)


def name_words(name: str) -> list[str]:
    """`DB_Password` and `dbPassword` -> `db`, `password`."""
    return [word.lower() for word in _CUT.split(name) if word]


def is_secret_name(name: str) -> bool:
    """Whether a variable of that name is meant to hold a secret value."""
    words = name_words(name)
    if not words or words[-1] in _NOT_SECRET_ENDS or not _PUBLIC.isdisjoint(words):
        return False
    if not _SECRET_WORDS.isdisjoint(words):
        return True
    last, owner = words[-1], words[-2] if len(words) > 1 else ""
    if last in ("key", "keys"):
        return owner in _KEY_OWNERS or (owner == "base" and "secret" in words)
    return (last == "pwd" and bool(owner) and owner not in ("old", "cwd")) or (
        last == "auth" and owner not in ("", "disable")
    )


def is_placeholder(value: str) -> bool:
    """Whether a value is evidently no secret: empty, a word that says so, a switch, a path of a secret file."""
    bare = value.strip().strip("\"'")
    return (
        not bare or _PLACEHOLDER.fullmatch(bare) is not None or bare.startswith(("/run/secrets/", "/var/run/secrets/"))
    )


def is_volatile_name(name: str) -> bool:
    """Whether a value of that name is a different one for every commit or build."""
    lowered = name.lower()
    return lowered in _VOLATILE or lowered.startswith(("ci_commit", "ci_pipeline", "ci_job", "ci_build"))


def is_ambiguous_name(name: str) -> bool:
    """Whether the name may just as well be a version that is pinned by hand."""
    return name.lower() in _AMBIGUOUS
