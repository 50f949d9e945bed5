"""What every command does that changes who is where: it brings the maps of the fleet up to date."""

from __future__ import annotations

from collections.abc import Sequence
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from conquestctl.cli.session import Session
    from conquestctl.fleet.instance import Instance
    from conquestctl.fleet.maps import Edit, Followed, Readers


def follow_maps(session: Session, *, rising: Sequence[Instance] = (), edit: Edit | None = None) -> Followed:
    """Bring every map up to date and warn of what a person should know; `edit` changes the fleet's own nodes first.

    With `edit` it raises what that raises, `ConflictError` for the fleet's lock, `StorageError` for its own map.
    Without, what keeps a map from being written is a warning: what was asked for is done.
    """
    from conquestctl.errors import ConquestError
    from conquestctl.fleet.maps import Followed, follow

    try:
        followed = follow(session.root, readers(session, rising), say=session.output.note, edit=edit)
    except ConquestError as error:
        if edit is not None:
            raise
        session.output.warn(f"the maps of the fleet are not up to date: {error.message}")
        return Followed()
    for remark in followed.remarks:
        session.output.warn(remark)
    for name, fault in followed.failed.items():
        session.output.warn(f"{name}: its map is not up to date: {fault.message}")
    return followed


def readers(session: Session, rising: Sequence[Instance] = ()) -> Readers:
    """Return how to find out how each instance runs. One that does not run will run on the engine that is chosen."""
    from conquestctl.engine.select import select_engine
    from conquestctl.fleet.addresses import Reader
    from conquestctl.readers import reader_of, readers_on

    processes = select_engine("process", session.environ)[0]
    docker = None if session.engine_choice == "process" else session.optional_docker()
    if rising:
        default = reader_of(session.engine())
    else:
        default = Reader.CONTAINER if docker or session.engine_choice == "docker" else Reader.PROCESS
    engines = [processes, docker] if docker else [processes]
    return readers_on(engines, default, {one.name for one in rising})
