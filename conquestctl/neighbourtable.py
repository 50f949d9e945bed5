"""The kernel's table of neighbours (ARP), which all containers of a machine share; pure but for one question.

A connection between two containers takes a place on either side, and the kernel takes none away before half a minute
or more has passed. When the table is full, connections time out or find no route, now here, now there; asking slowly
does not help. Of the 3540 ways between 60 containers, with 1024 places, 1700 failed so.
"""

from __future__ import annotations

from pathlib import Path

LIMIT = Path("/proc/sys/net/ipv4/neigh/default/gc_thresh3")
DEFAULT = 1024
"""Places where nobody has changed that; also what is taken where the kernel cannot be asked."""
SHARE = 0.8
"""Of the places; the rest is everybody else's."""
MORE_ROOM = "sysctl -w net.ipv4.neigh.default.gc_thresh3=16384 net.ipv4.neigh.default.gc_thresh2=8192"


def places(path: Path = LIMIT) -> int | None:
    """How many this machine has; None where it does not say."""
    try:
        return int(path.read_text(encoding="ascii"))
    except (OSError, ValueError):
        return None


def shortage(containers: int, asking: int, room: int) -> str:
    """What is to be said where so many of the containers, asking all of them at once, fill the table; or nothing."""
    silent = containers - asking
    wanted = containers * (containers - 1) - silent * (silent - 1)
    if wanted <= SHARE * room:
        return ""
    who = f"{containers} containers that all talk with one another" if not silent else f"{asking} containers that talk"
    whom = "" if not silent else f" with {containers} each"
    return (
        f"{who}{whom} take {wanted} places in the kernel's table of neighbours, which has {room}: "
        "when it is full, connections time out or find no route, now here, now there"
    )
