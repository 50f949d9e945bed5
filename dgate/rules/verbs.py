"""Which function carries out which command."""

from __future__ import annotations

from typing import TYPE_CHECKING

from dgate.config.converters.commands import CONDITIONS, DELAYED, IMMEDIATE, LUA
from dgate.rules import compressing, editing, files, flow, imaging, scripts, shell, uids
from dgate.rules.outcome import Status

if TYPE_CHECKING:
    from dgate.rules.program import Verb
    from dgate.rules.run import Run


def _forward(run: Run, word: str, text: str) -> Status:
    forwarder = run.services.forwarder
    return flow.not_here(run, word, text) if forwarder is None else forwarder.forward(text, run)


def _delay(run: Run, word: str, text: str) -> Status:
    forwarder = run.services.forwarder
    return flow.not_here(run, word, text) if forwarder is None else forwarder.delay(text, run)


IMPORT_VERBS: dict[str, Verb] = {
    **dict.fromkeys(CONDITIONS, flow.condition),
    **dict.fromkeys(LUA, scripts.lua),
    **dict.fromkeys(IMMEDIATE, _forward),
    **dict.fromkeys(DELAYED, _delay),
    "nop": flow.nop,
    "destroy": flow.destroy,
    "destroy2": flow.destroy_silently,
    "reject": flow.reject,
    "stop": flow.stop,
    "silentstop": flow.stop_silently,
    "return": flow.leave,
    "defer": flow.defer,
    "storage ": flow.storage,
    "testmode ": flow.testmode,
    "virtualserver ": flow.virtual_server,
    "virtualservermask ": flow.virtual_server_mask,
    "set ": editing.set_element,
    "setifempty ": editing.set_if_empty,
    "delete ": editing.delete,
    "fixkodak": editing.fix_kodak,
    "unfixkodak": editing.unfix_kodak,
    "scrub ": editing.scrub,
    "newuids": uids.new_uids,
    "olduids": uids.old_uids,
    "compression ": compressing.compression,
    "crop ": imaging.crop,
    "tomono": imaging.to_mono,
    "save ": files.save_object,
    'write "': files.write_text,
    'append "': files.write_text,
    "copy ": files.copy,
    "mkdir ": files.make_folder,
    "rm ": files.remove,
    "system ": shell.system,
    "process with ": shell.process_with,
    "call ": scripts.call,
    'script "': scripts.script,
    "": scripts.unknown,
}
"""All that import converters and the other hooks know; the empty word is for what is none of them."""
