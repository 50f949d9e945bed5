"""How each instance runs, or would run if it were started: that decides which addresses its map has to hold."""

from __future__ import annotations

from collections.abc import Collection, Mapping, Sequence
from contextlib import suppress

from conquestctl.engine.base import Engine, State
from conquestctl.errors import ConquestError
from conquestctl.fleet.addresses import Reader
from conquestctl.fleet.instance import Instance
from conquestctl.fleet.maps import Readers

ALIVE = frozenset([State.RUNNING, State.RESTARTING, State.PAUSED])


def reader_of(engine: Engine) -> Reader:
    """Return how instances on an engine see the world."""
    return Reader.CONTAINER if engine.name == "docker" else Reader.PROCESS


def readers_on(engines: Sequence[Engine], default: Reader, rising: Collection[str] = ()) -> Readers:
    """Return the function that tells how instances run: as an engine says, else as `default`.

    Those `rising` are about to be started as `default`, whatever they run on now.
    """

    def readers(instances: Sequence[Instance]) -> Mapping[str, Reader]:
        found = dict.fromkeys((one.name for one in instances), default)
        asked = [one for one in instances if one.name not in rising]
        for engine in engines if asked else ():
            # An engine that does not answer runs nothing that could be told from here; the next `up` asks again.
            with suppress(ConquestError):
                alive = [name for name, seen in engine.observe(asked).items() if seen.state in ALIVE]
                found.update(dict.fromkeys(alive, reader_of(engine)))
        # In the machine's own network a container sees, and is seen, as a process.
        return found | {one.name: Reader.PROCESS for one in instances if one.on_host}

    return readers
