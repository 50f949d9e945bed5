"""One association from its request to its end: PDUs in, messages to the services, answers out.

The data set of a message is never joined: views into the receive buffer go to the service before each receive.
"""

from __future__ import annotations

import time
from collections.abc import Iterator, Sequence
from typing import TYPE_CHECKING

from dgate.interfaces import Session
from dgate.net import dimse, journal, pdu
from dgate.net.connection import NEVER, Connection, ConnectionLost
from dgate.net.counters import ASSOCIATIONS, REQUESTS
from dgate.net.debug import COMMANDS, EVERYTHING, command_dump, reply_dump
from dgate.net.echo import VERIFICATION
from dgate.net.handshake import establish, refuse_politely, report_nothing_usable
from dgate.net.operation import ClientError, Operation
from dgate.net.pdu import PduError
from dgate.net.services import SERVICES

if TYPE_CHECKING:
    from dgate.net.dimse import Command
    from dgate.net.handshake import Established
    from dgate.net.negotiation import Context
    from dgate.net.node import Node

MAX_SMALL_PDU = 64
"""A-RELEASE and A-ABORT have 4 bytes; a little more does no harm."""
MAX_VIEWS = 256
"""Fragments handed over at once; the kernel's limit for one gathering write is 1024."""
BATCH = 32 * 1024
"""Answers of one message are sent together up to this size."""


def serve_connection(connection: Connection, node: Node, numbers: Iterator[int]) -> None:
    """Everything that happens on one accepted connection. Never raises; the connection is closed afterwards.

    The next of `numbers` is that of the association, if there comes to be one.
    """
    linger = True
    try:
        established = establish(connection, node)
        if established is not None:
            linger = Association(connection, node, established, next(numbers)).run()
    except PduError as fault:
        _tell(connection, fault, node)
    except ConnectionLost as fault:
        linger = False
        if connection.silent:
            report_nothing_usable((), node)
            node.log.debug(f"Connection from {connection.address}: {fault}")
        else:
            node.log.console("*** connection terminated")
            node.log.console(f"Connection from {connection.address}: {fault}")
    if linger:
        connection.close_gently(node.limits.linger)


def _tell(connection: Connection, fault: PduError, node: Node) -> None:
    try:
        refuse_politely(connection, fault, node)
    except ConnectionLost as lost:
        node.log.debug(f"*** connection terminated: {lost}")


class Association:
    """The state of one established association; it is the `Link` of its services."""

    def __init__(self, connection: Connection, node: Node, established: Established, number: int) -> None:
        self.node = node
        self.calling_ae = established.request.calling_ae
        self.called_ae = established.request.called_ae
        self.address = connection.address
        self.session = Session()
        self.session.number = number
        self._debug_level = node.config.settings.debug_level
        self._connection = connection
        self._established = established
        self.contexts = established.contexts
        self.max_length = established.request.user.max_length
        self._number = number
        self._hooks = None if node.scripts is None else node.scripts.hooks(node.config.settings)
        self._started = 0.0
        self._operation: Operation | None = None
        """The message whose data set is still to come, or coming."""
        self._answering = 0
        """The message being answered while the peer may cancel it."""
        self._cancelled = False
        self._awaited = 0
        """Our own request that the peer is to answer."""
        self._response: Command | None = None
        self._context: Context | None = None
        """Of the message that has begun."""
        self._command = bytearray()
        self._views: list[memoryview] = []
        self._replies: list[bytes] = []
        self._replies_size = 0
        self._pdu_left = 0

    def run(self) -> bool:
        """Serve until the association ends. True: we spoke last, so let it arrive. Raises `ConnectionLost`."""
        connection = self._connection
        self.node.counters.add(ASSOCIATIONS)
        self.node.log.hold()
        connection.before_refill = self._before_refill
        try:
            if self._hooks is None or self._hooks.run("association", self):
                while self._next_pdu():
                    continue
                if self._hooks is not None:
                    self._hooks.run("endassociation", self)
        except (ClientError, dimse.DimseError) as fault:
            self._run_error_hook()
            self.node.log.console(f"***Client Error: {fault}")
            self.node.log.console("***Connection Terminated")
        except PduError as fault:
            self._run_error_hook()
            _tell(connection, fault, self.node)
        except ConnectionLost as fault:
            self._run_error_hook()
            if not connection.interrupted:
                raise
            self._say_goodbye(fault)
        except Exception as fault:  # noqa: BLE001 - one broken request must not take the thread's log line with it
            _tell(
                connection, PduError(f"internal fault: {type(fault).__name__}: {fault}", pdu.NOT_SPECIFIED), self.node
            )
        finally:
            self._die()
        return True

    def _run_error_hook(self) -> None:
        if self._hooks is not None:
            self._hooks.run("clienterror", self)

    def reply(self, context: Context, command: bytes, data_set: bytes | None = None) -> None:
        """Queue a message; it is sent when the operation ends or when enough has come together."""
        if self._debug_level >= EVERYTHING:
            for line in reply_dump(command, data_set, context.transfer_syntax):
                self.node.log.debug(line)
        message = dimse.encode_message(context.id, command, data_set, self.max_length)
        self._replies.append(message)
        self._replies_size += len(message)
        if self._replies_size >= BATCH:
            self._send_replies()

    def flush(self) -> None:
        """See `Link`."""
        self._send_replies()

    def send_parts(self, parts: Sequence[bytes | memoryview]) -> None:
        """See `Link`."""
        waiting = [*self._replies, *parts]
        self._replies.clear()
        self._replies_size = 0
        self._connection.send_parts(waiting, self.node.limits.send)

    def response(self, message_id: int, answering: int) -> Command:
        """See `Link`."""
        if self._pdu_left:
            raise PduError("more behind a request whose answer needs one", pdu.UNEXPECTED_PDU)
        self._awaited, self._answering, self._response = message_id, answering, None
        try:
            while self._response is None:
                if not self._next_pdu():
                    raise ConnectionLost("released or aborted by the peer during a retrieval")
        finally:
            self._awaited = self._answering = 0
        self._connection.deadline = NEVER
        return self._response

    def quiet(self, seconds: float) -> bool:
        """See `Requester` of dgate.net.commitment."""
        return not self._awaited and not self._pdu_left and not self._connection.wait_for_input(seconds)

    def cancelled(self, message_id: int) -> bool:
        """Look, without waiting, whether the peer has cancelled. Not while the rest of a PDU is unread."""
        if self._cancelled or self._pdu_left or not self._connection.has_input():
            return self._cancelled
        self._answering = message_id
        try:
            if not self._next_pdu():
                raise ConnectionLost("released or aborted by the peer during a query")
        finally:
            self._answering = 0
        self._connection.deadline = NEVER  # the time that passes now is ours
        return self._cancelled

    def _next_pdu(self) -> bool:
        """Take one PDU. False: the association has ended in an orderly way."""
        connection, limits = self._connection, self.node.limits
        middle = self._operation is not None or self._context is not None or self._awaited > 0
        if not middle and not self._answering:
            connection.busy = False
            if connection.interrupted:
                raise ConnectionLost("server stops")
        kind, length = connection.next_header(limits.message if middle else limits.idle, limits.pdu)
        connection.busy = True
        if kind == pdu.P_DATA:
            self._p_data(length)
            return True
        if length > MAX_SMALL_PDU and pdu.ASSOCIATE_RQ <= kind <= pdu.ABORT:
            raise PduError(f"PDU type {kind:02x} of {length} bytes", pdu.UNEXPECTED_PDU)
        return self._control(kind, length)

    def _control(self, kind: int, length: int) -> bool:
        if kind == pdu.RELEASE_RQ:
            self._connection.take(length)
            if not self._started:
                journal.nothing_asked(self.node.log, self._established)
            self.node.log.flush()
            self.node.door.demote(self._connection)
            self._connection.send(pdu.RELEASE_RP_PDU, self.node.limits.send)
        elif kind == pdu.ABORT:
            self._connection.take(length)
            if not self._started:
                journal.nothing_asked(self.node.log, self._established)
            self.node.log.debug("Association aborted by the peer")
        elif kind in {pdu.ASSOCIATE_RQ, pdu.ASSOCIATE_AC, pdu.ASSOCIATE_RJ, pdu.RELEASE_RP}:
            raise PduError(f"PDU type {kind:02x} inside an association", pdu.UNEXPECTED_PDU)
        else:
            raise PduError(f"unknown PDU type {kind:02x}", pdu.UNRECOGNIZED_PDU)
        return False

    def _p_data(self, length: int) -> None:
        limits = self.node.limits
        if not 6 <= length <= limits.max_length + limits.margin:
            raise PduError(f"P-DATA-TF of {length} bytes")
        left = length
        while left:
            if left < 6:
                raise PduError("the last PDV is cut off")
            size, context_id, control = self._connection.pdv_header()
            if not 2 <= size <= left - 4:
                raise PduError(f"PDV of {size} bytes where {left - 4} are left")
            left -= 4 + size
            self._pdu_left = left
            context = self.contexts.get(context_id)
            if context is None or (self._context is not None and context is not self._context):
                raise PduError(f"presentation context {context_id} was not accepted or is not the message's")
            if control & dimse.COMMAND:
                self._command_fragment(context, size - 2, last=bool(control & dimse.LAST))
            else:
                self._data_fragment(size - 2, last=bool(control & dimse.LAST))

    def _command_fragment(self, context: Context, size: int, *, last: bool) -> None:
        if self._operation is not None:
            raise PduError("a command inside a data set", pdu.UNEXPECTED_PDU)
        self._context = context
        command = self._command
        if len(command) + size > dimse.MAX_COMMAND and not self._may_upload(len(command) + size, context):
            raise PduError(f"a command set of {len(command) + size} bytes or more")
        if last and not command:
            self._begin(dimse.parse_command(self._connection.take_all(size)), context)
            return
        command += self._connection.take_all(size)
        if last:
            data = bytes(command)
            command.clear()
            self._begin(dimse.parse_command(data), context)

    def _may_upload(self, size: int, context: Context) -> bool:
        """Whether so long a command set can be a server command with a file."""
        commands = self.node.commands
        trusted = commands is not None and commands.accepts(self.address)
        return trusted and size <= dimse.MAX_UPLOAD and context.abstract_syntax == VERIFICATION

    def _data_fragment(self, size: int, *, last: bool) -> None:
        if self._operation is None:
            raise PduError("a data set without a command", pdu.UNEXPECTED_PDU)
        connection, views = self._connection, self._views
        while size:
            view = connection.take_some(size)
            views.append(view)
            size -= len(view)
        if len(views) >= MAX_VIEWS:
            self._hand_over()
        if last:
            self._hand_over()
            self._finish(self._operation)

    def _tell_of(self, command: Command) -> None:
        log = self.node.log
        log.debug(f"Server Command   := {command.field:04x}")
        log.debug(f"Message ID       := {command.message_id:04x}")
        if self._debug_level >= COMMANDS:
            for line in command_dump(command):
                log.debug(line)

    def _begin(self, command: Command, context: Context) -> None:
        """A command set is complete."""
        if command.field == dimse.C_CANCEL:
            self._cancel(command)
            return
        if command.field & dimse.RESPONSE and self._awaited:
            self._take_response(command)
            return
        if self._answering:
            raise ClientError(f"command {command.field:04x} before the answer to the last one")
        if not self._started:
            self._started = journal.began(self.node.log, self._number, self._established)
        self.session.command = command
        if self._hooks is not None and not self._hooks.run("command", self):
            raise ConnectionLost("dropped by a script")
        self._tell_of(command)
        service = SERVICES.get(command.field)
        if service is None:
            raise ClientError(f"command {command.field:04x} failed **")
        if command.field in REQUESTS:
            self.node.counters.add(REQUESTS[command.field])
        operation = service(self, command, context)
        if command.has_data_set:
            self._connection.grow()
            self._operation = operation
        else:
            self._finish(operation)

    def _take_response(self, command: Command) -> None:
        if command.has_data_set or command.number(dimse.RESPONDED_TO) != self._awaited:
            raise ClientError(f"response {command.field:04x} that answers no request of ours")
        self._context, self._response = None, command

    def _cancel(self, command: Command) -> None:
        self._context = None
        self.node.log.console("Cancel request")
        if self._answering and command.number(dimse.RESPONDED_TO) == self._answering:
            self._cancelled = True

    def _finish(self, operation: Operation) -> None:
        """A message is complete: answer it. Our own time does not count against the peer's deadline."""
        self._connection.deadline = NEVER
        self._operation, self._context, self._cancelled = None, None, False
        operation.end()
        self.node.log.flush()  # as in the original, who has an answer finds in the log what led to it
        self._send_replies()
        if self._pdu_left:
            self._connection.deadline = time.monotonic() + self.node.limits.pdu

    def _before_refill(self) -> None:
        """The thread is about to wait, and the buffer about to be used again."""
        self.node.log.flush()
        self._hand_over()

    def _hand_over(self) -> None:
        """Give the views to the operation before the buffer is used again."""
        views = self._views
        if views and self._operation is not None:
            self._operation.data(views)
            views.clear()

    def _send_replies(self) -> None:
        replies = self._replies
        if replies:
            data = replies[0] if len(replies) == 1 else b"".join(replies)
            replies.clear()
            self._replies_size = 0
            self._connection.send(data, self.node.limits.send)

    def _say_goodbye(self, why: ConnectionLost) -> None:
        self.node.log.debug(f"*** connection terminated: {why}")
        _tell(self._connection, PduError(str(why), pdu.NOT_SPECIFIED), self.node)

    def _die(self) -> None:
        operation, self._operation = self._operation, None
        self._views.clear()
        if operation is not None:
            operation.abort()
        self.session.end()
        if self._started:
            journal.ended(self.node.log, self._number, self._started)
        self.node.log.release()
