"""Many nodes of the map asked at once, from where the server stands: `python3 -P -m dgate.net.mesh SECONDS AE...`.

Run in the folder that holds `mount/`, beside a server or without one. One JSON document on stdout: for each AE title
the entry that a look-up finds, and what was seen on the way to that node. The orchestrator's mesh and route read it.
"""

from __future__ import annotations

import json
import os
import sys
import threading
from collections import deque
from collections.abc import Sequence
from contextlib import suppress
from dataclasses import asdict
from time import monotonic

from dgate.config.amap import AcrNemaMap, Node
from dgate.config.inifile import IniFile
from dgate.config.settings import Settings, load_settings
from dgate.net.probe import Facts, probe

CONFIG = "mount/config"
AT_ONCE = 8
"""Sixty instances that each ask sixty at once would measure their own load."""
GRACE = 0.5
"""For what is just being finished when the time is over."""


def main(arguments: Sequence[str]) -> int:
    """Ask the nodes; exit status 0 when that could be done, whatever they answered."""
    try:
        timeout, titles = float(arguments[0]), arguments[1:]
        settings = read_settings()
        with open(settings.acrnema_map, "rb") as file:
            amap = AcrNemaMap.parse(file.read())
    except OSError as error:
        sys.stderr.write(f"{error.filename}: {error.strerror}\n")
        return 1
    except (IndexError, ValueError):
        sys.stderr.write("usage: python3 -P -m dgate.net.mesh SECONDS AE...\n")
        return 2
    nodes = look(settings, amap, titles, timeout)
    document = {"file": settings.acrnema_map, "ae_title": settings.ae_title, "nodes": nodes}
    sys.stdout.write(json.dumps(document) + "\n")
    sys.stdout.flush()
    return 0


def read_settings() -> Settings:
    """The settings of the instance in whose folder we stand. Raises `OSError`."""
    with open(os.path.join(CONFIG, "dicom.ini"), "rb") as file:
        ini = IniFile.parse(file.read())
    return load_settings(ini, CONFIG, ae_title=os.environ.get("AETITLE"))[0]


def look(settings: Settings, amap: AcrNemaMap, titles: Sequence[str], timeout: float) -> list[dict[str, object]]:
    """What is known of each AE title afterwards, in the order asked for."""
    nodes = [amap.find(title) for title in titles]
    facts = [_facts(settings, title, timeout) for title in titles]
    to_do = deque((node, found) for node, found in zip(nodes, facts, strict=True) if node and node.port_number)
    rounds = -(-len(to_do) // AT_ONCE)
    until = monotonic() + rounds * (timeout + GRACE)
    for thread in [_start(to_do) for _ in range(min(AT_ONCE, len(to_do)))]:
        thread.join(max(0.0, until - monotonic()))
    return [
        {"ae": title, "entry": asdict(node) if node else None, "facts": _as_it_is(found)}
        for title, node, found in zip(titles, nodes, facts, strict=True)
    ]


def _facts(settings: Settings, title: str, timeout: float) -> Facts:
    called = title.upper() if settings.send_upper_case_ae else title
    return Facts(called, settings.ae_title, timeout)


def _start(to_do: deque[tuple[Node, Facts]]) -> threading.Thread:
    """The thread must not keep us: a resolver may wait for its name server for much longer."""
    thread = threading.Thread(target=_work, args=(to_do,), daemon=True)
    thread.start()
    return thread


def _work(to_do: deque[tuple[Node, Facts]]) -> None:
    with suppress(IndexError):
        while True:
            node, facts = to_do.popleft()
            probe(node.host, node.port_number or 0, facts)


def _as_it_is(facts: Facts) -> dict[str, object]:
    """The facts so far; of one that is not at its end the time is over."""
    found = asdict(facts)
    if not facts.seconds:
        late = {"expired": True} if facts.addresses else {"unresolved": f"no answer within {facts.timeout:g} s"}
        found.update(late, seconds=facts.timeout)
    return found


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
