"""What is known of the user that a public base image sets. In: an image reference. Out: yes, no, or not known. Pure."""

from __future__ import annotations

from typing import Final

from imgscan.lazyre import lazy_re

_SAYS_SO: Final = lazy_re(r"nonroot|non-root|rootless|unprivileged|chiseled")
_OWNERS: Final = (
    "bitnami/",
    "bitnamilegacy/",
    "bitnamisecure/",
    "cgr.dev/chainguard/",
    "dhi.io/",
    "grafana/",
    "sclorg/",
)
"""Owners whose images set a user as a rule."""
_SET: Final = frozenset(
    {
        *("elasticsearch", "kibana", "logstash", "memcached", "haproxy", "varnish", "solr", "sonarqube", "jetty"),
        *(
            "spark",
            "odoo",
            "open-liberty",
            "websphere-liberty",
            "jenkins/jenkins",
            "prom/prometheus",
            "hashicorp/http-echo",
        ),
        *(
            "docker.elastic.co/elasticsearch/elasticsearch",
            "docker.elastic.co/kibana/kibana",
            "quay.io/keycloak/keycloak",
        ),
        *("curlimages/curl", "opensearchproject/opensearch", "mcr.microsoft.com/mssql/server", "apache/kafka"),
    }
)
_ROOT: Final = frozenset(
    {
        *(
            "scratch",
            "alpine",
            "debian",
            "ubuntu",
            "busybox",
            "fedora",
            "centos",
            "rockylinux",
            "almalinux",
            "amazonlinux",
        ),
        *(
            "archlinux",
            "oraclelinux",
            "photon",
            "buildpack-deps",
            "bash",
            "node",
            "python",
            "pypy",
            "ruby",
            "php",
            "perl",
        ),
        *(
            "golang",
            "rust",
            "gcc",
            "swift",
            "haskell",
            "elixir",
            "erlang",
            "julia",
            "clojure",
            "openjdk",
            "amazoncorretto",
        ),
        *(
            "eclipse-temurin",
            "ibmjava",
            "sapmachine",
            "maven",
            "gradle",
            "tomcat",
            "composer",
            "docker",
            "nginx",
            "httpd",
        ),
        *(
            "caddy",
            "traefik",
            "postgres",
            "mysql",
            "mariadb",
            "mongo",
            "redis",
            "valkey",
            "rabbitmq",
            "wordpress",
            "ghost",
        ),
        *("mcr.microsoft.com/playwright", "mcr.microsoft.com/dotnet/sdk"),
    }
)
"""Images that are root unless told otherwise (their entrypoints may step down: that is not to be seen from outside)."""


def sets_user(reference: str) -> bool | None:
    """Whether a base image sets a user other than root; None where nobody can tell without asking the image."""
    name, _, _ = reference.strip().lower().partition("@")
    head, colon, tag = name.rpartition(":")
    repository = head if colon and "/" not in tag else name
    for prefix in ("docker.io/", "index.docker.io/", "library/", "public.ecr.aws/docker/library/"):
        repository = repository.removeprefix(prefix)
    if _SAYS_SO.search(name) or repository.startswith(_OWNERS) or repository in _SET:
        return True
    return False if repository in _ROOT else None
