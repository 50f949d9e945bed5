"""`convert_to_...:` and `forward:`: an archived file for whoever asked, or for another node.

The reference names them without their answers (conquest-server.md 11.2).
"""

from __future__ import annotations

import os
from collections.abc import Iterator
from contextlib import contextmanager
from typing import TYPE_CHECKING

from dgate.commands.arguments import split
from dgate.commands.context import CommandError
from dgate.commands.modifying import rules_of
from dgate.commands.paths import find_file
from dgate.dataset.formatting import leading_integer
from dgate.dataset.structure import DataSetError
from dgate.encoding.part10 import NotDicomError
from dgate.forward.parcel import parcel_of
from dgate.interfaces import RetrieveFailure
from dgate.lua.jsontext import by_keyword
from dgate.net import dimse
from dgate.net.proposing import Offers, propose
from dgate.net.requestor import Destination, NoAssociation, PeerLost, association
from dgate.net.sending import SendingBroken, make_buffers, send_object, store_request
from dgate.rules.objects import load

if TYPE_CHECKING:
    from dgate.commands.context import Context
    from dgate.config.amap import Node
    from dgate.forward.parcel import Parcel
    from dgate.rules.subject import Subject

MAX_FILE = 128 * 1024 * 1024
"""Bytes that go back in one answer."""
MESSAGE_ID = 1


def convert_to_json_command(context: Context, arguments: str) -> str:
    """`FILE[,]`: the object as JSON, keywords for keys, as `serialize` of scripts writes it; without its pixels."""
    with _object(context, arguments) as subject:
        return by_keyword(subject.data) + "\n"


def convert_to_dicom_command(context: Context, arguments: str) -> bytes:
    """`FILE[,0[,as]]`: the file's bytes. Scaling, or another transfer syntax, needs a codec."""
    name, size, code, *_ = (part.strip() for part in split(arguments, ",", 4))
    if size not in ("", "0") or code.lower() not in ("", "as"):
        raise CommandError("only files as they are: neither scaled nor compressed otherwise")
    with open(find_file(context, name), "rb") as file:
        if os.fstat(file.fileno()).st_size > MAX_FILE:
            raise CommandError(f"the file has more than {MAX_FILE} bytes")
        return file.read()


def convert_to_bmp_command(context: Context, arguments: str) -> bytes:
    """See `_picture`."""
    return _picture(context, arguments, "bmp")


def convert_to_gif_command(context: Context, arguments: str) -> bytes:
    """See `_picture`."""
    return _picture(context, arguments, "gif")


def convert_to_jpg_command(context: Context, arguments: str) -> bytes:
    """See `_picture`."""
    return _picture(context, arguments, "jpg")


def _picture(context: Context, arguments: str, kind: str) -> bytes:
    """`FILE[,size[,[,level/window[/frame]]]]`: a frame as it would be shown, `size` pixels at most on its longer side.

    What stands between the second and the third comma is the file that a client may want to write: it is not ours.
    """
    from dgate.rules.picture import Look, picture_of
    from dgate.rules.pictureformats import FORMATS

    name, size, _, window, *_ = (part.strip() for part in split(arguments, ",", 5))
    level, width, frame, *_ = (*(leading_integer(part) for part in window.split("/")), 0, 0, 0)
    with _object(context, name) as subject:
        return FORMATS[kind](picture_of(subject, Look(level, width, frame, leading_integer(size))))


def forward_command(context: Context, arguments: str) -> str:
    """`FILE,compression,AE`: send a file to a node of acrnema.map; `0`, or `1` and a sentence."""
    name, code, ae = (part.strip() for part in split(arguments, ",", 3))
    entry = context.config.amap.find(ae)
    if entry is None or entry.port_number is None:
        raise CommandError(f"{ae[:16]} is not in acrnema.map, or without a port there")
    with _object(context, name) as subject:
        try:
            why = _send(context, parcel_of(subject, name), code or entry.compression, entry, entry.port_number)
        except (NoAssociation, PeerLost, SendingBroken, RetrieveFailure, DataSetError) as fault:
            why = str(fault)
    if not why:
        return "0"
    context.log.console(f"***Forward of {name} to {ae}: {why}")
    return f"1 Forward of {name} to {ae} failed"


def _send(context: Context, parcel: Parcel, code: str, entry: Node, port: int) -> str:
    """Why it did not arrive; nothing if it did."""
    stored = parcel.content.transfer_syntax
    destination = Destination(entry.host, port, context.settings.ae_title, entry.ae)
    proposals = propose(code, {parcel.sop_class: (stored,)})
    with association(destination, proposals, context.door.limits, context.door) as peer:
        chosen = Offers(peer.contexts.values()).choose(parcel.sop_class, stored)
        if chosen is None:
            return "it does not take such an object"
        request = store_request(parcel.sop_class, parcel.sop_instance, MESSAGE_ID, None)
        send_object(peer, chosen, request, parcel.content, make_buffers())
        status = peer.response(MESSAGE_ID).number(dimse.STATUS)
    return "" if status == dimse.SUCCESS else f"status {status:04X}"


@contextmanager
def _object(context: Context, arguments: str) -> Iterator[Subject]:
    """The object in a file. Raises `CommandError`, OSError."""
    name = split(arguments, ",", 2)[0].strip()
    descriptor = os.open(find_file(context, name), os.O_RDONLY | os.O_CLOEXEC | os.O_NONBLOCK)
    try:
        yield load(descriptor, rules_of(context).terms.get())
    except (NotDicomError, DataSetError) as fault:
        raise CommandError(f"{name} cannot be read: {fault}") from fault
    finally:
        os.close(descriptor)
