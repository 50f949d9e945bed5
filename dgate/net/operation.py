"""What a service is to the association, and the association to a service."""

from __future__ import annotations

from collections.abc import Sequence
from typing import TYPE_CHECKING, Protocol

if TYPE_CHECKING:
    from dgate.config.settings import Settings
    from dgate.interfaces import Session
    from dgate.net.dimse import Command
    from dgate.net.negotiation import Context
    from dgate.net.node import Node


class ClientError(Exception):
    """The peer asks for something that ends the association without a word, as in Conquest (section 13)."""


class Hooks(Protocol):
    """Scripts that run at certain moments of an association."""

    def run(self, name: str, link: Link) -> bool:
        """Run one of them, if it is there. False: the connection is to be dropped. Never raises."""


class Scripts(Protocol):
    """The scripts of a server."""

    def hooks(self, settings: Settings) -> Hooks | None:
        """Those that these settings have for associations; None if there are none."""


class Link(Protocol):
    """The association as its services see it."""

    node: Node
    calling_ae: str
    called_ae: str
    address: str
    """Where the peer is."""
    session: Session
    """What rules and scripts remember."""

    def reply(self, context: Context, command: bytes, data_set: bytes | None = None) -> None:
        """Send a message, at the latest when the operation ends. Raises `ConnectionLost`."""

    contexts: dict[int, Context]
    """The accepted presentation contexts."""
    max_length: int
    """The longest P-DATA-TF body the peer takes; 0 means any."""

    def flush(self) -> None:
        """Send the answers that wait. Raises `ConnectionLost`."""

    def send_parts(self, parts: Sequence[bytes | memoryview]) -> None:
        """Send PDUs of a request of our own, behind the answers that wait. Raises `ConnectionLost`."""

    def response(self, message_id: int, answering: int) -> Command:
        """Wait for the answer to a request of our own, which serves the peer's request `answering` (0: none).

        The peer may cancel that one meanwhile. Raises `ConnectionLost`, `PduError`, `ClientError`, `DimseError`.
        """

    def cancelled(self, message_id: int) -> bool:
        """The peer has sent a C-CANCEL for this message. Raises `ConnectionLost`, `PduError`, `ClientError`."""


class Operation(Protocol):
    """One message on its way in, and the answer to it. Used by one thread."""

    def data(self, fragments: Sequence[memoryview]) -> None:
        """The next bytes of the data set; the views are only valid during the call."""

    def end(self) -> None:
        """The message is complete: answer it."""

    def abort(self) -> None:
        """The association dies before the message is complete."""
