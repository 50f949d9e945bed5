"""`grabimagesfromserver:`: what another server has of certain days is fetched (conquest-server.md 11.2).

It is asked which studies it has (C-FIND, study root), then to send them one by one (C-MOVE to ourselves), because not
every server takes a date as the key of a C-MOVE. The answer is that of the moves, which the reference does not give.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

from dgate.commands.arguments import as_bytes, split
from dgate.commands.context import CommandError
from dgate.commands.moving import DATES, LEVEL, STUDY_DATE, UIDS, MoveRequest, ask_to_move
from dgate.encoding.elements import IMPLICIT, IMPLICIT_LITTLE, encode_element, read_all
from dgate.lua.client import Peer, RequestError, association
from dgate.net import dimse

if TYPE_CHECKING:
    from dgate.commands.context import Context

STUDY_ROOT_FIND = "1.2.840.10008.5.1.4.1.2.2.1"


def grabimagesfromserver_command(context: Context, arguments: str) -> str:
    """`AE,date` or `AE,date-date`, days of 8 digits: `0`, or `1` and how many studies did not come."""
    source, days = (part.strip() for part in split(arguments, ",", 2))
    if not source or not DATES.match(days):
        raise CommandError("expected AE,yyyymmdd or AE,yyyymmdd-yyyymmdd")
    own, studies = context.settings.ae_title, _studies(context, source, days)
    requests = (MoveRequest("STUDY", {UIDS["STUDY"]: uid}, own) for uid in studies)
    missed = sum(not ask_to_move(context, source, request) for request in requests)
    return f"1 {missed} of {len(studies)} studies did not come from {source}" if missed else "0"


def _studies(context: Context, source: str, days: str) -> list[str]:
    """The UIDs of the studies of these days. Raises `CommandError`."""
    entry = context.config.amap.find(source)
    if entry is None or entry.port_number is None:
        raise CommandError(f"{source[:16]} is not in acrnema.map, or without a port there")
    peer = Peer(entry.host, entry.port_number, context.settings.ae_title, entry.ae)
    keys = ((STUDY_DATE, b"DA", as_bytes(days)), (LEVEL, b"CS", b"STUDY"), (UIDS["STUDY"], b"UI", b""))
    identifier = b"".join(encode_element(*key, IMPLICIT) for key in keys)
    request = (
        (dimse.AFFECTED_SOP_CLASS, STUDY_ROOT_FIND.encode()),
        (dimse.COMMAND_FIELD, dimse.ushort(dimse.C_FIND)),
        (dimse.MESSAGE_ID, dimse.ushort(1)),
        (dimse.PRIORITY, dimse.ushort(0)),
        (dimse.DATA_SET_TYPE, dimse.ushort(dimse.WITH_DATA_SET)),
    )
    try:
        with association(peer, STUDY_ROOT_FIND, (IMPLICIT_LITTLE,)) as client:
            answers = list(client.ask(request, identifier))
    except RequestError as fault:
        raise CommandError(f"{source}: {fault}") from fault
    status = answers[-1].command.number(dimse.STATUS)
    if status != dimse.SUCCESS:
        raise CommandError(f"{source} answered the query with status {status:04X}")
    found = (read_all(answer.data_set, IMPLICIT).values.get(UIDS["STUDY"], b"") for answer in answers)
    return sorted({uid.strip(b"\0 ").decode("latin-1") for uid in found} - {""})
