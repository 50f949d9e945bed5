"""acrnema.map, read and changed: `get_amap:` and its like; `echo:` of a node in it."""

from __future__ import annotations

import threading
import time
from typing import TYPE_CHECKING

from dgate.commands.arguments import as_bytes, formatted, index, split
from dgate.commands.context import CommandError
from dgate.config.amap import DEFAULT_COMPRESSION, AcrNemaMap, Node
from dgate.record import replace

if TYPE_CHECKING:
    from dgate.commands.context import Context

FORMAT = "%s|%s|%s|%s"
ECHO_SECONDS = 5.0

_lock = threading.Lock()


def get_amap_command(context: Context, arguments: str) -> str:
    """`i[,format]`: AE title, host, port and compression of one entry; nothing beyond the last one."""
    position, pattern = split(arguments, ",", 2)
    at, nodes = index(position), context.config.amap.nodes
    return formatted(pattern or FORMAT, _fields(nodes[at])) if at < len(nodes) else ""


def get_amaps_command(context: Context, arguments: str) -> str:
    """`format`: all entries but the patterns, one per line."""
    nodes = [node for node in context.config.amap.nodes if not node.is_pattern]
    return "".join(formatted(arguments or FORMAT, _fields(node)) + "\n" for node in nodes)


def put_amap_command(context: Context, arguments: str) -> str:
    """`i,AE,host,port[,compression]`: replace an entry, or add one behind the last. `write_amap:` makes it last."""
    position, ae, host, port, compression = (part.strip() for part in split(arguments, ",", 5))
    entry = Node(ae, host, port, compression or DEFAULT_COMPRESSION)
    _check(entry)
    with _lock:
        nodes, at = list(context.config.amap.nodes), index(position)
        if at > len(nodes):
            raise CommandError(f"there are {len(nodes)} entries; the next index is {len(nodes)}")
        nodes[at : at + 1] = [entry]
        context.config.use_amap(AcrNemaMap(tuple(nodes)))
    return ""


def delete_amap_command(context: Context, arguments: str) -> str:
    """`i`: drop an entry; the following ones move up."""
    with _lock:
        nodes, at = list(context.config.amap.nodes), index(arguments)
        if at >= len(nodes):
            raise CommandError(f"there are {len(nodes)} entries; the last index is {len(nodes) - 1}")
        del nodes[at]
        context.config.use_amap(AcrNemaMap(tuple(nodes)))
    return ""


def write_amap_command(context: Context, _arguments: str) -> str:
    """Write the map as it is now to its file; comments that were in it are lost, as in the original."""
    from dgate.start import write_atomically

    with _lock:
        write_atomically(context.settings.acrnema_map, as_file(context.config.amap, time.ctime()))
    return ""


def read_amap_command(context: Context, _arguments: str) -> str:
    """Read the map again, whatever `put_amap:` did to it; dicom.ini and dgatesop.lst come along."""
    context.config.reload()
    return ""


def echo_command(context: Context, arguments: str) -> str:
    """`AE`: whether a node of the map answers a C-ECHO. Why it does not is in the log."""
    from dgate.net.scu import EchoError, echo

    ae, settings = arguments.split(",", 1)[0].strip(), context.settings
    node = context.config.amap.find(ae)
    called = ae.upper() if settings.send_upper_case_ae else ae
    if node is None or node.port_number is None:
        why = "not in acrnema.map, or without a port there"
    else:
        try:
            echo(node.host, node.port_number, calling=settings.ae_title, called=called, timeout=ECHO_SECONDS)
        except EchoError as fault:
            why = str(fault)
        else:
            return f"{ae} is UP"
    context.log.console(f"***Echo of {ae}: {why}")
    return f"{ae} is DOWN"


def as_file(amap: AcrNemaMap, when: str) -> bytes:
    """A whole acrnema.map."""
    head = f"/* **************************************** */\n/* acrnema.map, written by write_amap on {when} */\n"
    legend = "/* AE title, host, port, compression         */\n/* **************************************** */\n\n"
    lines = (f"{node.ae:<16} {node.host:<29} {node.port:<9} {node.compression}".rstrip() for node in amap.nodes)
    return as_bytes(head + legend + "".join(line + "\n" for line in lines))


def _fields(node: Node) -> tuple[str, ...]:
    """The AE title comes once more at the end, for formats of HTML options."""
    return (node.ae, node.host, node.port, node.compression, node.ae)


def _check(entry: Node) -> None:
    """Refuse what the file could not hold. Raises `CommandError`."""
    read = AcrNemaMap.parse(as_file(AcrNemaMap((entry,)), "")).nodes
    if [replace(node, line=0) for node in read] != [entry] or not entry.port:
        raise CommandError("expected i,AE,host,port[,compression], none of them with blanks or comment signs")
    if entry.port_number is None and not entry.port.endswith("*"):
        raise CommandError(f"the port {entry.port!r} is not a number from 1 to 65535")
