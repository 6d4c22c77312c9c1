"""What imgscan reads of compose files against what docker compose 2.40 and 2.26 make of them."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field, replace
from pathlib import Path

import pytest
from composes import SUITES, compose_config, compose_variables, differences, view_of_compose, view_of_ours
from setups import write_files

from imgscan.project.compose.read import read_project
from imgscan.project.compose.records import ComposeProject
from imgscan.project.tree import read_tree

pytestmark = pytest.mark.tools


@dataclass(frozen=True, kw_only=True)
class Case:
    """Files, those named with -f (default: compose.yml), profiles; `only`: the one release that behaves so."""

    files: Mapping[str, str]
    named: Sequence[str] = ("compose.yml",)
    profiles: Sequence[str] = ()
    env_files: Sequence[str] = ()
    suites: Sequence[str] = field(default=SUITES)


def one(text: str, **more: str) -> Case:
    return Case(files={"compose.yml": text, **{name.replace("__", "/"): value for name, value in more.items()}})


ACCEPTED: dict[str, Case] = {
    "ports": one("""
        services:
          web:
            image: a
            ports:
              - 80
              - "81"
              - "8080:82"
              - "127.0.0.1:8081:83"
              - "127.0.0.1::84"
              - "9000-9002:9000-9002"
              - "53:53/udp"
              - "[::1]:85:85"
              - "8100-8105:86"
              - {target: 87, published: "8087", host_ip: 127.0.0.1, protocol: udp, mode: host}
              - target: 88
              - "7000-7001"
            expose: [1, "2", 3]
        """),
    "volumes": one("""
        services:
          web:
            image: a
            volumes:
              - /anonymous
              - named:/data
              - ./here:/here:ro
              - ../up:/up
              - ~/home:/home
              - /etc/x:/etc/x:rw,z
              - type: bind
                source: ./long
                target: /long/
                read_only: true
              - type: volume
                source: named
                target: /again
              - type: tmpfs
                target: /tmp
              - named:/double//slash/../x
        volumes:
          named:
        """),
    "environment-forms": Case(
        files={
            "compose.yml": """
                services:
                  web:
                    image: a
                    env_file:
                      - one.env
                      - path: two.env
                        required: false
                      - path: missing.env
                        required: false
                    environment:
                      - A=1
                      - B
                      - C=
                      - D=a=b=c
                      - FROM_DOTENV
                  map:
                    image: a
                    env_file: one.env
                    environment:
                      N: 5
                      T: true
                      S: "yes"
                      Y: yes
                      E: ""
                      X:
                """,
            "one.env": "ONE=1\nBOTH=one\nA=from file\nREF=${ONE}-${FROM_DOTENV}\n",
            "two.env": "TWO='2'\nBOTH=\"two $BOTH\"\nOWN=$TWO\n",
            ".env": "FROM_DOTENV=dotenv\n",
        }
    ),
    "references-of-env-files": replace(
        one(
            "services: {a: {image: a, env_file: [one.env, two.env], environment: {C: compose, D: }}}",
            **{"one.env": "A=1\nC=1\n", "two.env": "B=$A\nA=2\nE=$A$B\nF=$C\nG=$D\nD=3\nH=$D\n", ".env": "B=dot\n"},
        ),
        suites=("sid",),
    ),
    "interpolation": one(
        r"""
        name: my-${NAME}-App
        services:
          web:
            image: ${REG:-reg.example}/img:${TAG-latest}
            command: echo $$HOME ${SET} $SET "${EMPTY:-dash}" '${EMPTY-plain}' ${SET:+alt} ${UNSET:+none} ${EMPTY+plus}
            entrypoint: ["sh", "-c", "${UNSET:-${SET:-inner}} $${NOT} $1 ${SET:?must}"]
            labels:
              nested: ${A:-${B:-${C:-deep}}}
              braces: ${A:-{"json":"${SET}"}}
              dollar: 5$ $
              two: ${SET}${SET}
            hostname: x${UNSET}y
        """,
        **{".env": "SET=value\nEMPTY=\nNAME=Quite_Nice\n"},
    ),
    "healthcheck": one("""
        services:
          a:
            image: a
            healthcheck: {test: ["CMD", "true"], interval: 1m30s, timeout: 10s, retries: 3, start_period: 1h5m10.5s}
          b:
            image: a
            healthcheck: {test: curl -f http://localhost, interval: 500ms}
            stop_grace_period: 1h
          c: {image: a, healthcheck: {disable: true}}
          d: {image: a, healthcheck: {test: ["NONE"]}}
          e: {image: a, healthcheck: {test: ["CMD-SHELL", "x || exit 1"]}}
          f: {image: a, healthcheck: {interval: 5s}}
        """),
    "days": replace(
        one("services: {a: {image: a, stop_grace_period: 1w2d3h, healthcheck: {interval: 1d, test: [CMD, x]}}}"),
        suites=("sid",),
    ),
    "depends-on": one("""
        services:
          a: {image: a, depends_on: [b, c]}
          b: {image: a, depends_on: {c: {condition: service_healthy, restart: true}}}
          c: {image: a, depends_on: {d: {condition: service_completed_successfully, required: false}}}
          d: {image: a}
        """),
    "networks": one("""
        services:
          a: {image: a, networks: [front, back]}
          b: {image: a, networks: {back: {aliases: [bee, b2]}, default: }}
          c: {image: a}
          d: {image: a, network_mode: host}
          e: {image: a, networks: {other: {}}}
        networks:
          front: {driver: bridge}
          back: {internal: true}
          other: {external: true, name: real}
          unused:
        """),
    "build": one("""
        services:
          a: {build: .}
          b: {build: {context: ./sub, dockerfile: ../Other, target: prod, args: {A: 1, B: null, C: "x $$y"}}}
          c: {build: {args: [A=1, B, SET]}}
          d: {build: {dockerfile: docker/Dockerfile}}
          e: {build: ./sub, image: x}
        """, **{".env": "SET=1\n"}),
    "anchors": one("""
        x-common: &common
          image: base
          environment: &env {A: 1, B: 2}
          restart: always
        x-more: &more
          labels: {l: m}
          restart: "no"
        services:
          a:
            <<: *common
            environment:
              <<: *env
              B: 3
          b:
            <<: [*more, *common]
            image: own
          c: *common
        """),
    "override": Case(
        files={
            "compose.yml": """
                services:
                  web:
                    image: a
                    command: one two
                    entrypoint: [e]
                    ports: ["80:80", "443:443"]
                    expose: [1]
                    volumes: [data:/data, ./a:/a]
                    environment: {A: 1, B: 2}
                    labels: [x=1, y=2]
                    depends_on: [db]
                    networks: [front]
                    healthcheck: {test: [CMD, a], interval: 1s, retries: 2}
                    build: ./one
                    secrets: [s]
                  db: {image: b}
                volumes: {data: }
                networks: {front: , back: {internal: true}}
                secrets: {s: {file: ./s.txt}, t: {environment: T}}
                """,
            "compose.dev.yml": """
                services:
                  web:
                    command: [three]
                    ports: ["80:80", "8443:443"]
                    expose: [1, 2]
                    volumes: [other:/data, ./b:/b:ro]
                    environment: [B=3, C]
                    labels: {y: 3, z: 4}
                    depends_on: {db: {condition: service_healthy}, cache: {condition: service_started}}
                    networks: {back: {aliases: [w]}}
                    healthcheck: {test: b, retries: 5}
                    build: {target: dev, args: [A=1]}
                    secrets: [t]
                  cache: {image: c}
                volumes: {other: {external: true, name: there}}
                """,
        },
        named=("compose.yml", "compose.dev.yml"),
    ),
    "reset": Case(
        files={
            "compose.yml": """
                services:
                  web: {image: a, ports: ["80:80"], environment: {A: 1, B: 2}, command: x, labels: {a: b}}
                  gone: {image: b}
                """,
            "two.yml": """
                services:
                  web:
                    ports: !override ["81:81"]
                    environment: {A: !reset null, C: 3}
                    command: !reset null
                    labels: !override {c: d}
                  gone: !reset null
                """,
        },
        named=("compose.yml", "two.yml"),
    ),
    "extends": Case(
        files={
            "compose.yml": """
                services:
                  base: {image: a, environment: {A: 1, B: 2}, ports: ["80:80"], volumes: [./v:/v], command: c}
                  web: {extends: base, environment: [B=3], ports: ["81:81"], command: d}
                  far: {extends: {file: sub/common.yml, service: two}, environment: {Z: 1}}
                """,
            "sub/common.yml": """
                services:
                  one: {image: one, build: ./ctx, volumes: ["./x:/x"], env_file: e.env, environment: {Y: 1, Z: 0}}
                  two: {extends: {service: one}, image: two}
                """,
            "sub/e.env": "FROM=file\n",
        }
    ),
    "include": Case(
        files={
            "compose.yml": """
                include:
                  - sub/compose.yml
                  - path: [other/a.yml, other/b.yml]
                    env_file: other/o.env
                services:
                  web: {image: "a:${V:-none}", depends_on: [inner]}
                """,
            "sub/compose.yml": """
                services:
                  inner: {image: "i:${V}", volumes: ["./d:/d", "data:/data"], env_file: e.env}
                volumes: {data: }
                """,
            "sub/.env": "V=sub\n",
            "sub/e.env": "E=$V\n",
            "other/a.yml": "services: {o: {image: 'o:${W}', build: ./c}}\n",
            "other/b.yml": "services: {o: {environment: {B: 1}}}\n",
            "other/o.env": "W=w\n",
        }
    ),
    "profiles": Case(
        files={
            "compose.yml": """
                services:
                  a: {image: a}
                  b: {image: b, profiles: [debug]}
                  c: {image: c, profiles: [debug, other], depends_on: [b]}
                  d: {image: d, profiles: [never], depends_on: [nowhere]}
                """
        },
        profiles=("debug",),
    ),
    "directory": Case(
        files={
            "docker/docker-compose.yml": """
                services:
                  web:
                    build: {context: .., dockerfile: docker/Dockerfile}
                    image: "x:${V:-unset}"
                    volumes: [../src:/src, ./conf:/conf]
                    env_file: ../web.env
                """,
            ".env": "V=root\n",
            "web.env": "W=1\n",
        },
        named=("docker/docker-compose.yml",),
    ),
    "env-file-option": Case(
        files={
            "docker/docker-compose.yml": "services: {web: {image: 'x:${V}-${W}'}}\n",
            "docker/.env": "V=docker\n",
            "root.env": "V=root\nW=1\n",
            "more.env": "W=2-$V\n",
        },
        named=("docker/docker-compose.yml",),
        env_files=("root.env", "more.env"),
    ),
    "project-name-variable": one(
        "services: {web: {image: '${COMPOSE_PROJECT_NAME}'}}\nvolumes: {}\n", **{".env": "COMPOSE_PROJECT_NAME=named\n"}
    ),
    "profiles-of-a-file": one(
        "services: {a: {image: a}, b: {image: b, profiles: [p]}, c: {image: c, profiles: [q]}}\n",
        **{".env": "COMPOSE_PROFILES=p, x\n"},
    ),
    "name-overridden": one(
        "name: written\nservices: {web: {image: 'a:${COMPOSE_PROJECT_NAME}'}}\n", **{".env": "COMPOSE_PROJECT_NAME=told\n"}
    ),
    "files-of-several-folders": Case(
        files={
            "docker/a.yml": "services: {a: {build: ., volumes: ['./x:/x'], env_file: e.env, labels: {v: '${V}'}}}\n",
            "other/b.yml": "services: {b: {build: ./b, volumes: ['./y:/y', '../z:/z'], env_file: [e.env]}}\n",
            "docker/e.env": "E=1\n",
            "docker/.env": "V=docker\n",
            "other/.env": "V=other\n",
        },
        named=("docker/a.yml", "other/b.yml"),
    ),
    "include-of-another-directory": Case(
        files={
            "compose.yml": """
                include:
                  - path: sub/compose.yml
                    project_directory: .
                  - path: [deep/one/compose.yml]
                services: {web: {image: a}}
                """,
            "sub/compose.yml": "services: {s: {build: ./ctx, volumes: ['./v:/v'], image: '${V:-none}'}}\n",
            "deep/one/compose.yml": """
                include: [../two/compose.yml]
                services: {d: {extends: {file: ../base.yml, service: base}, volumes: ["./d:/d"]}}
                """,
            "deep/two/compose.yml": "services: {t: {image: '${W}', volumes: ['./t:/t']}}\n",
            "deep/two/.env": "W=two\n",
            "deep/base.yml": "services: {base: {build: ./b, volumes: ['./base:/base']}}\n",
            "sub/.env": "V=sub\n",
            ".env": "V=root\n",
        }
    ),
    "extends-with-resets": Case(
        files={
            "compose.yml": """
                services:
                  base: {image: a, ports: ["80:80"], environment: {A: 1, B: 2}, depends_on: [other], profiles: [p]}
                  web:
                    extends: base
                    ports: !reset []
                    environment: !override {C: 3}
                    depends_on: !reset null
                    profiles: !reset []
                  other: {image: o}
                """
        },
        suites=("sid",),
    ),
    "several-documents": one("""
        services: {a: {image: a, environment: {A: 1}}}
        ---
        services: {a: {environment: {B: 2}}, b: {image: b}}
        """),
    "dotenv": one(
        """
        services:
          a: {image: a, environment: [A, B, C, D, E, F, G, H, I, J, K, L, M, N, O, P]}
        """,
        **{
            ".env": "\ufeffA=plain # comment\nB='single $A'\nC=\"double $A \\n x \\\" \\$A\"\n  export D = spaced \n"
            "E: yaml\nF=\nG=a#b\nH=\"multi\nline\"\nI='multi\n# not a comment'\nJ=${A}-${NOPE:-def}\n"
            "K=\"\\101\\0101\"\nL=it's\nM=$A$$B\n# comment\nN=\"x\" # after\nO='it\\'s'\r\nP=end"
        },
    ),
    "odd-scalars": one("""
        services:
          a:
            image: a
            environment: {OCT: 0777, HEX: 0x1F, FLT: 1.50, EXP: 1e3, SEX: 12:34:56, NO: no, N: ~}
            user: "1000"
            init: "true"
            privileged: "no"
            stop_grace_period: 90s
        """, ),
    "legacy": one("""
        version: "3.8"
        services:
          a: {image: a, links: ["b:bee"], container_name: fixed}
          b: {image: b, extra_hosts: ["host.docker.internal:host-gateway"], restart: unless-stopped}
        volumes: {v: {external: {name: old}}}
        """),
}  # fmt: skip


def read(root: Path, case: Case) -> ComposeProject:
    return read_project(read_tree(root), case.named, case.profiles, case.env_files)


@pytest.mark.parametrize(("name", "suite"), [(name, suite) for name, case in ACCEPTED.items() for suite in case.suites])
def test_equals_compose(tmp_path: Path, name: str, suite: str) -> None:
    case = ACCEPTED[name]
    root = write_files(tmp_path / "project", case.files)
    config, said = compose_config(root, case.named, case.profiles, case.env_files, suite)
    assert config is not None, said
    project = read(root, case)
    assert [problem for problem in project.problems if problem.fatal] == []
    assert differences(view_of_ours(project, read_tree(root), root), view_of_compose(config, root)) == []


@pytest.mark.parametrize("name", ACCEPTED)
def test_variables_equal_compose(tmp_path: Path, name: str) -> None:
    case = ACCEPTED[name]
    root = write_files(tmp_path / "project", case.files)
    theirs = compose_variables(root, case.named)
    ours = {variable.name for variable in read(root, case).variables if variable.path != "name"}
    assert ours == set(theirs)
