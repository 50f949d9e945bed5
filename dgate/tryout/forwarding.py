"""What lines want to be sent or done later, told and not done (conquest-converters.md 6.1, 7 and 8)."""

from __future__ import annotations

from typing import TYPE_CHECKING

from dgate.forward.immediate import asked_by, edited
from dgate.forward.requests import asked_by as delayed_by
from dgate.forward.requests import told
from dgate.forward.statement import split_address
from dgate.rules.outcome import Status

if TYPE_CHECKING:
    from dgate.config.amap import AcrNemaMap
    from dgate.forward.statement import Forward
    from dgate.rules.run import Run
    from dgate.tryout.record import Record


class Postman:
    """Implements `Forwarder` of dgate.rules.interfaces, for import and export converters."""

    def __init__(self, record: Record, amap: AcrNemaMap, ae_title: str) -> None:
        self._record = record
        self._amap = amap
        self._ae_title = ae_title

    def forward(self, statement: str, run: Run) -> Status:
        """`forward to` of an import converter."""
        asked = asked_by(run, statement)
        if asked is None or not self._is_wanted(asked, run, run):
            return Status.NEXT
        part = asked.channel if asked.channel.isdigit() else run.part
        where = f"{run.prefix.replace('converter', 'Converter')}{run.number}.{part}"
        run.operator(f"{where}: forwarded object to {asked.destination}")
        self._send(asked, run, where)
        return Status.NEXT

    def forward_stored(self, statement: str, run: Run, script_run: Run, path: str) -> Status:
        """The same of an export converter; a failure ends the line."""
        asked = asked_by(run, statement)
        if asked is None or not self._is_wanted(asked, run, script_run):
            return Status.NEXT
        where = f"ExportConverter{run.number}.{run.part}"
        run.operator(f"{where}: forward {path} to {asked.destination}")
        return Status.NEXT if self._send(asked, run, where) else Status.STOP

    def delay(self, statement: str, run: Run) -> Status:
        """See `Forwarder`."""
        asked = delayed_by(statement, run)
        if asked is None:
            return Status.NEXT
        request, keys = asked
        run.operator(f"{run.where}: {told(request, keys['patient_id'])}")
        wait = request.wait(run.services.settings().forward_collect_delay)
        self._record.would("queue", f"{statement} ({wait} seconds after the last image)")
        return Status.NEXT

    def _is_wanted(self, asked: Forward, run: Run, script_run: Run) -> bool:
        """Whether the script of a `forward` leaves something to send."""
        return not asked.script or edited(run.subject, asked.script, script_run) is not None

    def _send(self, asked: Forward, run: Run, where: str) -> bool:
        """Whether there is somebody to send to, as far as the map tells."""
        address = split_address(asked.destination)
        node = None if address is not None else self._amap.find(asked.destination)
        if node is not None and node.port_number is not None:
            address = node.host, node.port_number
        if address is None:
            run.operator(f"*** {where}: Forward failed to connect to host {asked.destination}")
            return False
        calling, called = asked.calling or self._ae_title, asked.called or asked.destination
        as_code = f", compression {asked.compression}" if asked.compression else ""
        text = f"to {asked.destination} ({address[0]}:{address[1]}, {calling} calls {called}{as_code})"
        self._record.would("send", text)
        return True
