"""What the log says of the life of an association (conquest-server.md 4 and 10)."""

from __future__ import annotations

import time
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from dgate.interfaces import Log
    from dgate.net.handshake import Established

HEALTH_CHECK = "2.25.168400940968541323677525692786543649883"
"""Implementation class of image/healthcheck: it comes twice a minute, and an association is all that it wants."""


def began(log: Log, number: int, established: Established) -> float:
    """The block before the first command; when that was."""
    started, request = time.time(), established.request
    log.console("")
    log.console(f"UPACS THREAD {number}: STARTED AT: {time.ctime(started)}")
    log.debug("A-ASSOCIATE-RQ Packet Dump")
    log.console(f'\tCalling Application Title : "{request.calling_ae:<16}"')
    log.console(f'\tCalled Application Title : "{request.called_ae:<16}"')
    length = request.user.max_length
    log.console(f'\tApplication Context : "{request.application_context}", PDU length: {length}')
    log.debug(f"\tNumber of Proposed Presentation Contexts: {len(request.contexts)}")
    for position, context in enumerate(request.contexts):
        enabled = int(context.abstract_syntax in established.enabled)
        log.console(f'\tPresentation Context {position} "{context.abstract_syntax}" {enabled}')
    return started


def ended(log: Log, number: int, started: float) -> None:
    """The lines at the end of one that asked for something."""
    log.console(f"UPACS THREAD {number}: ENDED AT: {time.ctime()}")
    log.console(f"UPACS THREAD {number}: TOTAL RUNNING TIME: {int(time.time() - started)} SECONDS")


def nothing_asked(log: Log, established: Established) -> None:
    """It ends without having asked for anything; perhaps because nothing that it wants is on our list."""
    if established.request.user.implementation_class_uid == HEALTH_CHECK:
        return
    if not established.contexts:
        log.console(
            "*** Association rejected: you may need to add the listed presentation context as sop to dgatesop.lst"
        )
    log.console("*** connection terminated")
