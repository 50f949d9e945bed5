from __future__ import annotations

from pathlib import Path

import pytest
import yaml
from hypothesis import given, settings
from hypothesis import strategies as st

from conquestctl.engine.compose import Bind, ComposeStack, Healthcheck, Port, parse_stack, read_stack
from conquestctl.engine.composetop import Network, Secret
from conquestctl.errors import InvalidError
from tests.unit.engine.stacks import COMPOSE, SETTINGS, instance

FILE = Path("/fleet/ct1/docker-compose.yml")


def parse(text: str, **values: str) -> ComposeStack:
    return parse_stack(text, FILE, SETTINGS | values)


def service_with(lines: str) -> str:
    indented = "".join(f"    {line}\n" for line in lines.splitlines())
    return f"services:\n  a:\n    image: i\n    networks: [n]\n{indented}networks:\n  n:\n    external: true\n"


def test_the_file_of_an_instance() -> None:
    stack = parse(COMPOSE)
    service = stack.services["ct1"]
    assert stack.networks == {"fleet": Network("fleet", "conquest-abc123")}
    assert service.image == "conquestctl/dgate:1"
    assert service.container_name == "conquest-abc123-ct1"
    assert service.user == "1000:1000"
    assert (service.init, service.read_only) == (True, True)
    assert service.tmpfs == ("/tmp:size=64m,mode=1777",)  # noqa: S108
    assert service.cap_drop == ("ALL",)
    assert service.pids_limit == 512
    assert service.stop_grace_period == 90 * 10**9
    assert service.log_options == {"max-size": "10m", "max-file": "3"}
    assert service.extra_hosts == {"host.docker.internal": "host-gateway"}
    assert service.environment == {"AETITLE": "CT1", "PORT": "5678"}
    assert service.ports == (Port("127.0.0.1", 5678, 5678),)
    assert service.volumes == (Bind(Path("/fleet/ct1/mount"), "/conquest/mount"),)
    assert service.networks == {"fleet": ()}


@pytest.mark.parametrize(
    ("line", "name", "expected"),
    [
        ("ports: ['[::1]:5678:104']", "ports", (Port("::1", 5678, 104),)),
        ("ports: ['::1:5678:104/udp']", "ports", (Port("::1", 5678, 104, "udp"),)),
        ("ports: ['5678:104']", "ports", (Port("", 5678, 104),)),
        ("volumes: ['../x/./y:/y:ro']", "volumes", (Bind(Path("/fleet/x/y"), "/y", read_only=True),)),
        ("volumes: ['/srv/x:/y:rw']", "volumes", (Bind(Path("/srv/x"), "/y"),)),
        ("environment: [A=b=c, D]", "environment", {"A": "b=c", "D": None}),
        ("environment: {A: 010, B: 1.50, C: '', D: }", "environment", {"A": "8", "B": "1.50", "C": "", "D": None}),
        ("extra_hosts: {h: '::1'}", "extra_hosts", {"h": "::1"}),
        ("command: sh -c 'a b'", "command", ("sh", "-c", "a b")),
        ("command: [sh, '']", "command", ("sh", "")),
        ("entrypoint: ''", "entrypoint", ()),
        ("tmpfs: /run", "tmpfs", ("/run",)),
        ("mem_limit: 1.5g", "mem_limit", 3 * 2**29),
        ("mem_limit: 4096", "mem_limit", 4096),
        ("cpus: '0.5'", "cpus", 0.5),
        ("init: 'yes'", "init", True),
        ("stop_grace_period: 500ms", "stop_grace_period", 5 * 10**8),
        ("restart: on-failure:3", "restart", "on-failure:3"),
        ("healthcheck: {test: x y, retries: 2, interval: 1h2m3s}", "healthcheck",
         Healthcheck(("CMD-SHELL", "x y"), interval=3723 * 10**9, retries=2)),
        ("healthcheck: {disable: true}", "healthcheck", Healthcheck(("NONE",))),
        ("logging: {options: {tag: x}}", "log_driver", "json-file"),
        ("x-note: anything\nhostname: h", "hostname", "h"),
    ],
)  # fmt: skip
def test_values(line: str, name: str, expected: object) -> None:
    assert getattr(parse(service_with(line)).services["a"], name) == expected


@pytest.mark.parametrize(
    ("line", "number", "words"),
    [
        ("ulimits: {nofile: 1}", 5, "does not carry out the key `ulimits`"),
        ("init: true\ndeploy: {}", 6, "does not carry out the key `deploy`"),
        ("pids_limit: many", 5, "services.a.pids_limit: must be a whole number, not 'many'"),
        ("pids_limit: ${NONE}", 5, "NONE has no value in .env"),
        ("init: perhaps", 5, "true or false"),
        ("ports: ['5678']", 5, "must look like"),
        ("ports: ['80-90:80-90']", 5, "must look like"),
        ("ports: ['70000:1']", 5, "between 1 and 65535"),
        ("ports: ['300.0.0.1:1:1']", 5, "not an IP address"),
        ("ports: 5678", 5, "must be a list"),
        ("volumes: ['data:/data']", 5, "must look like"),
        ("volumes: ['./a:/b:z']", 5, "mode 'z'"),
        ('command: "a \'b"', 5, "cannot be split"),
        ("restart: often", 5, "must be no, always"),
        ("stop_grace_period: soon", 5, "must be a duration"),
        ("mem_limit: 1x", 5, "must be a size"),
        ("depends_on: [b]", 5, "no service `b`"),
        ("depends_on: [a]", 2, "wait for one another: a"),
        ("depends_on: {a: {condition: service_completed_successfully}}", 5, "service_started"),
        ("image: j", 5, "'image' is given twice"),
        ("user: !secret x", 5, "not understood"),
        ("healthcheck: {test: [ls]}", 5, "must begin with"),
        ("init: true\n  user: x", 6, "not valid YAML"),
    ],
)
def test_refusals_name_file_line_and_key(line: str, number: int, words: str) -> None:
    with pytest.raises(InvalidError) as caught:
        parse(service_with(line))
    assert caught.value.message.startswith(f"{FILE}:{number}: ")
    assert words in caught.value.message


@pytest.mark.parametrize(
    ("text", "words"),
    [
        ("", "the file is empty"),
        ("services: {}", "no service"),
        ("- a", "`key: value`"),
        ("name: x\nservices: {a: {image: i}}", "key `name`"),
        ("volumes: {x: }\nservices: {a: {image: i}}", "key `volumes`"),
        ("services: {a: {networks: [n]}}\nnetworks: {n: {external: true}}", "needs an `image`"),
        ("services: {a: {image: i}}", "in no network"),
        ("services: {a: {image: i, networks: [m]}}\nnetworks: {n: {external: true}}", "no network `m`"),
        ("services: {a: {image: i, networks: [n]}}\nnetworks: {n: {}}", "external: true"),
        ("services: &s {<<: *s}", "not valid YAML|another mapping"),
        ("[" * 5000, "not valid YAML"),
        ("a: \x00", "not valid YAML"),
    ],
)
def test_files_that_are_no_stack(text: str, words: str) -> None:
    with pytest.raises(InvalidError, match=words):
        parse(text)


def test_an_unsupported_key_says_that_compose_still_runs_it() -> None:
    with pytest.raises(InvalidError) as caught:
        parse(service_with("ulimits: {}"))
    assert "`docker compose up` in that folder still runs it" in caught.value.hint


def test_merged_mappings_are_overridden_by_their_own_keys() -> None:
    text = "x-base: &base {image: i, networks: [n], user: '1'}\n"
    text += "services:\n  a: {<<: *base, user: '2'}\n  b: {<<: [{user: '3'}, *base]}\nnetworks: {n: {external: true}}"
    services = parse(text).services
    assert (services["a"].user, services["a"].image, services["b"].user) == ("2", "i", "3")


def test_services_are_ordered_by_what_they_depend_on() -> None:
    text = "x: &x {image: i, networks: [n]}\n".replace("x:", "x-x:")
    text += "services:\n  a: {<<: *x, depends_on: [c]}\n  b: {<<: *x}\n  c: {<<: *x, depends_on: [b]}\n"
    text += "networks: {n: {external: true}}"
    assert [service.name for service in parse(text).ordered()] == ["b", "c", "a"]


def test_the_shell_does_not_decide_what_runs(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("AETITLE", "OTHER")
    assert parse(COMPOSE).services["ct1"].environment["AETITLE"] == "CT1"


def test_a_missing_file_and_a_wrong_encoding_name_the_instance(tmp_path: Path) -> None:
    ct1 = instance(tmp_path)
    with pytest.raises(InvalidError, match=r"docker-compose\.yml is missing") as caught:
        read_stack(ct1)
    assert caught.value.instance == "ct1"
    ct1.compose_file.write_bytes(b"services:\n  \xff: 1\n")
    with pytest.raises(InvalidError, match=":2: not UTF-8"):
        read_stack(ct1)


def complaint(text: str) -> str:
    """What is wrong with the text; the file's name when nothing is."""
    try:
        parse(text)
    except InvalidError as error:
        return error.message
    return f"{FILE}:"


TREES = st.recursive(
    st.none() | st.booleans() | st.integers() | st.text(max_size=8),
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(st.text(max_size=8), inner, max_size=3),
    max_leaves=8,
)
KEYS = st.sampled_from(["image", "ports", "volumes", "environment", "healthcheck", "networks", "command", "logging"])


@settings(max_examples=200, deadline=None)
@given(st.dictionaries(KEYS, TREES))
def test_any_service_is_read_or_refused_with_a_line(service: dict[str, object]) -> None:
    text = yaml.safe_dump({"services": {"a": service}, "networks": {"n": {"external": True}}})
    assert complaint(text).startswith(f"{FILE}:")


@settings(max_examples=200, deadline=None)
@given(st.text(max_size=60))
def test_any_text_is_read_or_refused(text: str) -> None:
    assert complaint(text).startswith(str(FILE))


STACK = """\
services:
  a:
    image: i
    networks: [n, own]
    depends_on: {db: {condition: service_healthy}, c: {condition: service_started}, d: }
    secrets:
      - word
      - {source: word, target: /there/word}
      - {source: word, target: here}
  db: &db {image: i, networks: [own]}
  c: *db
  d: *db
networks:
  n: {external: true}
  own: {internal: true, ipam: {config: [{subnet: "${S}"}]}}
secrets:
  word: {file: ./secrets/word}
"""


def test_a_stack_with_secrets_a_network_and_a_wait() -> None:
    stack = parse(STACK, S="10.1.2.0/29")
    service = stack.services["a"]
    assert (service.depends_on, service.healthy_first) == (("db", "c", "d"), ("db",))
    targets = ("/run/secrets/word", "/there/word", "/run/secrets/here")
    assert service.secrets == tuple(Secret("word", target) for target in targets)
    assert stack.secrets == {"word": Path("/fleet/ct1/secrets/word")}
    own = Network("own", "conquest-abc123-ct1_own", "10.1.2.0/29", internal=True)
    assert stack.own_networks() == (own,)


@pytest.mark.parametrize(
    ("old", "new", "words"),
    [
        ("{source: word, target: here}", "{source: word, mode: 0400}", "the key `mode`"),
        ("{source: word, target: here}", "{target: here}", "needs a `source`"),
        ("      - word\n", "      - other\n", "no secret `other`"),
        ("{file: ./secrets/word}", "{external: true}", "the key `external`"),
        ("{file: ./secrets/word}", "", "only secrets with a `file`"),
        ("internal: true, ", "driver: bridge, ", "the key `driver`"),
        ("internal: true, ", "external: true, ", "the key `ipam`"),
        ("config: [{", "config: [{gateway: 10.1.2.1, ", "the key `gateway`"),
        ("config: [{", "config: [{subnet: 10.2.2.0/29}, {", "one entry under `config`"),
        ("${S}", "10.1.2.1/29", "not a subnet"),
        ("{condition: service_healthy}", "{restart: true}", "the key `restart`"),
    ],
)
def test_a_stack_that_is_not_carried_out(old: str, new: str, words: str) -> None:
    assert old in STACK
    with pytest.raises(InvalidError, match=words) as caught:
        parse(STACK.replace(old, new), S="10.1.2.0/29")
    assert caught.value.message.startswith(f"{FILE}:")


ON_HOST = """\
services:
  a:
    image: i
    network_mode: host
"""


def test_a_service_in_the_machines_network() -> None:
    service = parse(ON_HOST, NETWORK="host").services["a"]
    assert (service.network_mode, service.networks, service.ports) == ("host", {}, ())


@pytest.mark.parametrize(
    ("text", "network", "words"),
    [
        (ON_HOST, "", "needs the line NETWORK=host in .env"),
        (ON_HOST.replace(": host", ": none"), "host", "only `network_mode: host` is carried out"),
        (ON_HOST + "    ports: ['127.0.0.1:1:1']\n", "host", "there can be no `ports`"),
        (ON_HOST + "    networks: [n]\nnetworks: {n: {external: true}}\n", "host", "there can be no `networks`"),
        (COMPOSE, "host", ".env says NETWORK=host, and no service has"),
    ],
)
def test_the_two_files_that_say_so_agree(text: str, network: str, words: str) -> None:
    with pytest.raises(InvalidError, match=words) as caught:
        parse(text, NETWORK=network)
    assert caught.value.message.startswith(f"{FILE}:")
