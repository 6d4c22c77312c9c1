"""What is known of public images: ports, kind, which clients of HTTP they carry. Data; the question is an image's name.

Ports are those of the images' own documentation (the EXPOSE of their Dockerfiles, and what the program listens on
without configuration). In: an image reference. Out: `KnownImage`, or the name's parts.
"""

from __future__ import annotations

from dataclasses import replace
from typing import Final

from imgscan.frozen import frozen

DATABASE: Final = "database"
CACHE: Final = "cache"
QUEUE: Final = "queue"
SEARCH: Final = "search"
PROXY: Final = "proxy"
TOOL: Final = "tool"


@frozen
class KnownImage:
    """A public image. `ports` are what it listens on, `port_variables` those of its environment that change them;
    `slow` says that its first start takes long; `checked`: it comes with a HEALTHCHECK of its own, or some of its
    versions do; `test` is a health check that works in it, as the shell text of a CMD-SHELL."""

    family: str
    kind: str
    ports: frozenset[int]
    schemes: tuple[str, ...] = ()
    port_variables: tuple[str, ...] = ()
    slow: bool = False
    checked: bool = False
    test: str | None = None


@frozen
class ImageName:
    """A reference taken apart; `repository` without registry docker.io and namespace library, `tag` may be empty."""

    repository: str
    tag: str


_PG_TEST_PLAIN: Final = "pg_isready -q -h 127.0.0.1 -U postgres"
_MYSQL_TEST: Final = "mysqladmin ping -h 127.0.0.1 --silent"
_MARIADB_TEST: Final = "healthcheck.sh --connect --innodb_initialized"


def _image(
    family: str,
    kind: str,
    *ports: int,
    schemes: tuple[str, ...] = (),
    variables: tuple[str, ...] = (),
    slow: bool = False,
    checked: bool = False,
    test: str | None = None,
) -> KnownImage:
    return KnownImage(
        family=family,
        kind=kind,
        ports=frozenset(ports),
        schemes=schemes,
        port_variables=variables,
        slow=slow,
        checked=checked,
        test=test,
    )


_POSTGRES: Final = _image(
    "postgres",
    DATABASE,
    5432,
    schemes=("postgres", "postgresql"),
    variables=("PGPORT", "POSTGRESQL_PORT_NUMBER"),
    slow=True,
    test=_PG_TEST_PLAIN,
)
_MYSQL: Final = _image(
    "mysql",
    DATABASE,
    3306,
    33060,
    schemes=("mysql", "mysql2"),
    variables=("MYSQL_TCP_PORT", "MYSQL_PORT_NUMBER"),
    slow=True,
    test=_MYSQL_TEST,
)
_MARIADB: Final = _image(
    "mariadb",
    DATABASE,
    3306,
    schemes=("mysql", "mariadb"),
    variables=("MYSQL_TCP_PORT", "MARIADB_PORT_NUMBER"),
    slow=True,
    test=_MARIADB_TEST,
)
_MONGO: Final = _image(
    "mongo",
    DATABASE,
    27017,
    schemes=("mongodb",),
    variables=("MONGODB_PORT_NUMBER",),
    test="mongosh --quiet --eval 'db.adminCommand(\"ping\").ok'",
)
_REDIS: Final = _image(
    "redis",
    CACHE,
    6379,
    schemes=("redis", "rediss", "valkey"),
    variables=("REDIS_PORT_NUMBER", "VALKEY_PORT_NUMBER"),
    test="redis-cli ping | grep -q PONG",
)
_RABBIT: Final = _image(
    "rabbitmq",
    QUEUE,
    5672,
    5671,
    4369,
    15672,
    15671,
    15692,
    25672,
    1883,
    61613,
    5552,
    schemes=("amqp", "amqps"),
    variables=("RABBITMQ_NODE_PORT", "RABBITMQ_NODE_PORT_NUMBER"),
    slow=True,
    test="rabbitmq-diagnostics -q check_port_connectivity",
)
_ELASTIC: Final = _image("elasticsearch", SEARCH, 9200, 9300, schemes=("elasticsearch",), slow=True)
_OPENSEARCH: Final = _image("opensearch", SEARCH, 9200, 9300, 9600, slow=True)
_MINIO: Final = _image("minio", DATABASE, 9000, 9001, schemes=("s3",))
# Its listeners, and with them its ports, are always configured.
_KAFKA: Final = _image("kafka", QUEUE, schemes=("kafka",), slow=True)
_MYSQL_SERVER: Final = replace(_MYSQL, checked=True)
_NGINX: Final = _image("nginx", PROXY, 80, 443)

KNOWN_IMAGES: Final[dict[str, KnownImage]] = {
    "postgres": _POSTGRES,
    "postgis/postgis": _POSTGRES,
    "timescale/timescaledb": _POSTGRES,
    "pgvector/pgvector": _POSTGRES,
    "ankane/pgvector": _POSTGRES,
    "supabase/postgres": replace(_POSTGRES, checked=True),
    "bitnami/postgresql": _POSTGRES,
    "mysql": _MYSQL,
    "mysql/mysql-server": _MYSQL_SERVER,
    "bitnami/mysql": _MYSQL,
    "percona": _MYSQL,
    "mariadb": _MARIADB,
    "bitnami/mariadb": _MARIADB,
    "linuxserver/mariadb": _MARIADB,
    "mongo": _MONGO,
    "bitnami/mongodb": _MONGO,
    "redis": _REDIS,
    "redis/redis-stack": replace(_REDIS, checked=True),
    "redis/redis-stack-server": replace(_REDIS, checked=True),
    "valkey/valkey": _REDIS,
    "bitnami/redis": _REDIS,
    "bitnami/valkey": _REDIS,
    "eqalpha/keydb": _REDIS,
    "memcached": _image("memcached", CACHE, 11211, schemes=("memcached",)),
    "rabbitmq": _RABBIT,
    "bitnami/rabbitmq": _RABBIT,
    "elasticsearch": _ELASTIC,
    "docker.elastic.co/elasticsearch/elasticsearch": _ELASTIC,
    "opensearchproject/opensearch": _OPENSEARCH,
    "clickhouse": _image("clickhouse", DATABASE, 8123, 9000, 9009, schemes=("clickhouse",), slow=True),
    "clickhouse/clickhouse-server": _image(
        "clickhouse", DATABASE, 8123, 9000, 9009, schemes=("clickhouse",), slow=True
    ),
    "cassandra": _image("cassandra", DATABASE, 7000, 7001, 7199, 9042, 9160, schemes=("cassandra",), slow=True),
    "couchdb": _image("couchdb", DATABASE, 5984, 4369, 9100),
    "neo4j": _image("neo4j", DATABASE, 7474, 7473, 7687, schemes=("bolt", "neo4j"), slow=True),
    "influxdb": _image("influxdb", DATABASE, 8086),
    "mcr.microsoft.com/mssql/server": _image("mssql", DATABASE, 1433, schemes=("sqlserver", "mssql"), slow=True),
    "minio/minio": replace(_MINIO, checked=True),
    "bitnami/minio": _MINIO,
    "zookeeper": _image("zookeeper", QUEUE, 2181, 2888, 3888, 8080),
    "bitnami/zookeeper": _image("zookeeper", QUEUE, 2181, 2888, 3888, 8080),
    "apache/kafka": _KAFKA,
    "nats": _image("nats", QUEUE, 4222, 6222, 8222, schemes=("nats",)),
    "eclipse-mosquitto": _image("mosquitto", QUEUE, 1883, 8883, 9001, schemes=("mqtt", "mqtts")),
    "nginx": _NGINX,
    "nginxinc/nginx-unprivileged": _image("nginx", PROXY, 8080),
    "caddy": _image("caddy", PROXY, 80, 443, 2019),
    "traefik": _image("traefik", PROXY, 80, 443, 8080),
    "httpd": _image("httpd", PROXY, 80),
    "haproxy": _image("haproxy", PROXY),
    "wordpress": _image("wordpress", TOOL, 80, 9000),
    "nextcloud": _image("nextcloud", TOOL, 80, 9000, slow=True),
    "adminer": _image("adminer", TOOL, 8080),
    "phpmyadmin": _image("phpmyadmin", TOOL, 80, 443, 9000),
    "phpmyadmin/phpmyadmin": _image("phpmyadmin", TOOL, 80, 443, 9000),
    "dpage/pgadmin4": _image("pgadmin", TOOL, 80, 443, variables=("PGADMIN_LISTEN_PORT",)),
    "mongo-express": _image("mongo-express", TOOL, 8081, variables=("PORT", "VCAP_APP_PORT")),
    "prom/prometheus": _image("prometheus", TOOL, 9090),
    "prom/alertmanager": _image("alertmanager", TOOL, 9093, 9094),
    "prom/node-exporter": _image("node-exporter", TOOL, 9100),
    "grafana/grafana": _image("grafana", TOOL, 3000, variables=("GF_SERVER_HTTP_PORT",)),
    "grafana/loki": _image("loki", TOOL, 3100, 9095),
    "docker.elastic.co/kibana/kibana": _image("kibana", TOOL, 5601, variables=("SERVER_PORT",), slow=True),
    "kibana": _image("kibana", TOOL, 5601, variables=("SERVER_PORT",), slow=True),
    "docker.elastic.co/logstash/logstash": _image("logstash", TOOL, slow=True),
    "logstash": _image("logstash", TOOL, slow=True),
    "jaegertracing/all-in-one": _image(
        "jaeger", TOOL, 4317, 4318, 5775, 5778, 6831, 6832, 9411, 14250, 14268, 14269, 16686
    ),
    "mailhog/mailhog": _image("mailhog", TOOL, 1025, 8025),
    "axllent/mailpit": _image("mailpit", TOOL, 1025, 8025, 1110, checked=True),
    "gitea/gitea": _image("gitea", TOOL, 22, 3000),
    "sonarqube": _image("sonarqube", TOOL, 9000, slow=True),
    "vault": _image("vault", TOOL, 8200),
    "hashicorp/vault": _image("vault", TOOL, 8200),
    "plexinc/pms-docker": _image("plex", TOOL, 32400, checked=True),
}
"""By repository. Images whose ports hang on a configuration that is always written are not in it, or have none."""

STORES: Final = frozenset({DATABASE, CACHE, QUEUE, SEARCH})


def split_image(reference: str) -> ImageName:
    """The parts of a reference; the digest is dropped (grammar: distribution/reference)."""
    name = reference.strip().partition("@")[0]
    head, colon, tag = name.rpartition(":")
    if not colon or "/" in tag:
        head, tag = name, ""
    head = head.removeprefix("docker.io/").removeprefix("index.docker.io/").removeprefix("library/")
    return ImageName(repository=head.lower(), tag=tag)


def known_image(reference: str | None) -> KnownImage | None:
    """What is known of an image; None for others, and where the name is not known."""
    if not reference:
        return None
    repository = split_image(reference).repository
    for mirror in (
        "public.ecr.aws/docker/library/",
        "mirror.gcr.io/library/",
        "mirror.gcr.io/",
        "lscr.io/",
        "quay.io/",
    ):
        repository = repository.removeprefix(mirror)
    return KNOWN_IMAGES.get(repository)
