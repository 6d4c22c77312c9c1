"""A project of ours made of the user's: nothing of the machine, no name that somebody else may have."""

from __future__ import annotations

from typing import Any

import pytest

from imgscan.verify.scratch import LABEL, Terms, make_scratch, refusals

COPY = "/w/project"


def scratch(config: dict[str, Any], **terms: Any) -> dict[str, Any]:
    images = dict.fromkeys(config["services"], "image")
    given = Terms(name="imgscan-verify-1", label="1", images=images, copy=COPY, **terms)
    return dict(make_scratch(config, given).document)


def test_ports_names_and_volumes_are_ours() -> None:
    made = scratch(
        {
            "name": "shop",
            "services": {
                "db": {
                    "image": "postgres",
                    "container_name": "shop_db",
                    "ports": [{"target": 5432, "published": "5432", "host_ip": "0.0.0.0", "protocol": "tcp"}],
                    "volumes": [{"type": "volume", "source": "data", "target": "/d"}],
                    "deploy": {"replicas": 3, "resources": {"limits": {"cpus": "1"}}},
                    "labels": {"traefik.enable": "true"},
                }
            },
            "volumes": {"data": {"name": "shop_data"}, "kept": {"name": "shop_kept", "external": True}},
            "networks": {"default": {"name": "shop_default"}, "proxy": {"name": "proxy", "external": True}},
        }
    )
    db = made["services"]["db"]
    assert made["name"] == "imgscan-verify-1"
    assert "container_name" not in db
    assert db["ports"] == [{"target": 5432, "protocol": "tcp", "host_ip": "127.0.0.1", "mode": "ingress"}]
    assert db["labels"] == {LABEL: "1"}
    assert db["deploy"] == {"resources": {"limits": {"cpus": "1"}}}
    assert made["volumes"]["data"] == {"name": "imgscan-verify-1_data", "labels": {LABEL: "1"}}
    assert made["volumes"]["kept"] == {"name": "imgscan-verify-1_kept", "external": True}
    assert made["networks"]["proxy"] == {"name": "imgscan-verify-1_proxy", "labels": {LABEL: "1"}}


@pytest.mark.parametrize(
    ("service", "said"),
    [
        ({"privileged": True}, "is privileged"),
        ({"network_mode": "host"}, "network_mode: host"),
        ({"network_mode": "container:other"}, "network_mode: container:other"),
        ({"pid": "host"}, "pid: host"),
        ({"cap_add": ["CAP_SYS_ADMIN"]}, "SYS_ADMIN"),
        ({"devices": ["/dev/kvm"]}, "devices"),
        ({"security_opt": ["seccomp:unconfined"]}, "security profile"),
        ({"volumes": [{"type": "bind", "source": "/var/run/docker.sock", "target": "/s"}]}, "/var/run/docker.sock"),
        ({"volumes": [{"type": "bind", "source": f"{COPY}-other", "target": "/s"}]}, "other of this machine"),
        ({"volumes": [{"type": "bind", "source": "/etc/localtime", "target": "/s"}]}, "/etc/localtime"),
    ],
)
def test_what_could_harm_the_machine_is_refused(service: dict[str, Any], said: str) -> None:
    (reason,) = refusals({"services": {"app": service}}, COPY)
    assert said in reason


def test_what_stays_in_the_copy_is_not_refused() -> None:
    service = {
        "network_mode": "service:db",
        "cap_add": ["NET_BIND_SERVICE"],
        "volumes": [
            {"type": "bind", "source": f"{COPY}/conf", "target": "/c"},
            {"type": "bind", "source": "/etc/localtime", "target": "/etc/localtime", "read_only": True},
        ],
    }
    assert list(refusals({"services": {"app": service}}, COPY)) == []


def test_a_volume_that_is_a_folder_of_the_machine_is_refused() -> None:
    config = {"volumes": {"data": {"driver_opts": {"type": "none", "o": "bind", "device": "/srv"}}}}
    assert len(list(refusals(config, COPY))) == 1
