from __future__ import annotations

from pathlib import Path

from hypothesis import given, settings
from hypothesis import strategies as st

from conquestctl.engine.compose import parse_stack
from conquestctl.engine.container_config import ContainerSpec, container_specs, spec_hash, with_spec
from tests.unit.engine.stacks import COMPOSE, instance
from tests.unit.engine.test_compose import STACK

FOLDER = Path("/fleet/ct1")


def specs(text: str = COMPOSE, **changes: str) -> list[ContainerSpec]:
    ct1 = instance(FOLDER, **changes)
    return container_specs(ct1, parse_stack(text, ct1.compose_file, ct1.settings))


def test_the_whole_request() -> None:
    (spec,) = specs()
    assert (spec.name, spec.service, spec.further_networks) == ("conquest-abc123-ct1", "ct1", {})
    assert spec.config == {
        "Image": "conquestctl/dgate:1",
        "Hostname": "",
        "User": "1000:1000",
        "WorkingDir": "",
        "Env": ["AETITLE=CT1", "PORT=5678"],
        "Labels": {
            "com.docker.compose.project": "conquest-abc123-ct1",
            "com.docker.compose.service": "ct1",
            "com.docker.compose.oneoff": "False",
            "com.docker.compose.container-number": "1",
            "com.docker.compose.version": "1.29.2",
            "com.docker.compose.project.working_dir": "/fleet/ct1",
            "com.docker.compose.project.config_files": "/fleet/ct1/docker-compose.yml",
            "org.conquestctl.instance": "ct1",
            "org.conquestctl.fleet": "conquest-abc123",
            "org.conquestctl.published": "127.0.0.1:5678",
        },
        "Tty": False,
        "OpenStdin": False,
        "StopTimeout": 90,
        "ExposedPorts": {"5678/tcp": {}},
        "NetworkingConfig": {"EndpointsConfig": {"conquest-abc123": {"Aliases": ["ct1"]}}},
        "HostConfig": {
            "NetworkMode": "conquest-abc123",
            "Init": True,
            "ReadonlyRootfs": True,
            "Privileged": False,
            "CapAdd": [],
            "CapDrop": ["ALL"],
            "SecurityOpt": ["no-new-privileges:true"],
            "GroupAdd": [],
            "Dns": [],
            "Sysctls": {},
            "ExtraHosts": ["host.docker.internal:host-gateway"],
            "Tmpfs": {"/tmp": "size=64m,mode=1777"},  # noqa: S108
            "Mounts": [
                {"Type": "bind", "Source": "/fleet/ct1/mount", "Target": "/conquest/mount", "ReadOnly": False},
            ],
            "PortBindings": {"5678/tcp": [{"HostIp": "127.0.0.1", "HostPort": "5678"}]},
            "RestartPolicy": {"Name": "unless-stopped", "MaximumRetryCount": 0},
            "PidsLimit": 512,
            "LogConfig": {"Type": "json-file", "Config": {"max-size": "10m", "max-file": "3"}},
        },
    }


def test_the_hash_goes_on_as_ours_and_as_the_one_compose_asks_for() -> None:
    (spec,) = specs()
    labelled = with_spec(spec, "ab12")["Labels"]
    assert isinstance(labelled, dict)
    assert labelled["org.conquestctl.spec"] == labelled["com.docker.compose.config-hash"] == "ab12"
    assert "org.conquestctl.spec" not in str(spec.config)


def test_the_hash_changes_with_the_content_and_only_with_it() -> None:
    before = spec_hash(specs(), {})
    reordered = COMPOSE.replace(
        "      AETITLE: ${AETITLE}\n      PORT: ${PORT}", "      PORT: ${PORT}\n      AETITLE: CT1"
    )
    assert reordered != COMPOSE
    assert spec_hash(specs(reordered + "# a remark\n"), {}) == before
    assert spec_hash(specs(PORT="5679"), {}) != before
    assert spec_hash(specs(COMPOSE.replace("512", "513")), {}) != before
    assert spec_hash(specs(), {"conquestctl/dgate:1": "sha256:1"}) != before


@settings(max_examples=50)
@given(st.permutations(["read_only: true", "init: true", "user: '1'", "hostname: h", "pids_limit: 5"]))
def test_the_order_of_keys_does_not_matter(lines: list[str]) -> None:
    def text(keys: list[str]) -> str:
        body = "\n    ".join(["image: i", "networks: [n]", *keys])
        return f"services:\n  a:\n    {body}\nnetworks: {{n: {{external: true}}}}\n"

    assert spec_hash(specs(text(lines)), {}) == spec_hash(specs(text(sorted(lines))), {})


def test_further_networks_and_a_name_like_composes() -> None:
    text = "services: {db: {image: i, networks: {n: {aliases: [x]}, m: }}}\n"
    text += "networks: {n: {external: true}, m: {external: true, name: other}}\n"
    (spec,) = specs(text)
    assert spec.name == "conquest-abc123-ct1_db_1"
    assert spec.further_networks == {"other": ("db",)}
    assert spec.config["NetworkingConfig"] == {"EndpointsConfig": {"n": {"Aliases": ["db", "x"]}}}


def test_an_environment_key_without_value_comes_from_the_env_file_or_not_at_all() -> None:
    text = COMPOSE.replace("      AETITLE: ${AETITLE}\n      PORT: ${PORT}", "      - AETITLE\n      - UNKNOWN")
    assert specs(text)[0].config["Env"] == ["AETITLE=CT1"]


def test_a_stack_with_a_database() -> None:
    server, db = sorted(specs(STACK, S="10.1.2.0/29"), key=lambda spec: spec.service)[:3:2]
    assert server.healthy_first == ("db",)
    assert server.further_networks == {"conquest-abc123-ct1_own": ("a",)}
    host = server.config["HostConfig"]
    assert isinstance(host, dict)
    assert {"Type": "bind", "Source": "/fleet/ct1/secrets/word", "Target": "/run/secrets/word", "ReadOnly": True} in (
        host["Mounts"]
    )
    assert [network.subnet for network in db.own_networks] == ["10.1.2.0/29"]


def test_the_hash_covers_networks_and_secrets() -> None:
    before = spec_hash(specs(STACK, S="10.1.2.0/29"), {})
    assert spec_hash(specs(STACK, S="10.1.2.8/29"), {}) != before
    assert spec_hash(specs(STACK.replace("internal: true, ", ""), S="10.1.2.0/29"), {}) != before
    assert spec_hash(specs(STACK.replace("./secrets/word", "./secrets/w"), S="10.1.2.0/29"), {}) != before
