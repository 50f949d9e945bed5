"""Statements that only decide what runs, and those that only say something (conquest-converters.md 5 and 6)."""

from __future__ import annotations

from typing import TYPE_CHECKING

from dgate.config.converters.forms import STORAGE, texts_of
from dgate.dataset.formatting import leading_integer
from dgate.rules.conditions import TESTS
from dgate.rules.outcome import Status

if TYPE_CHECKING:
    from dgate.rules.run import Run

MOST_SERVERS = 10
"""Virtual servers have the numbers 0 to 9."""


def condition(run: Run, word: str, text: str) -> Status:
    """A malformed one says nothing and guards nothing."""
    texts = texts_of(word, text)
    if texts is None:
        return Status.NEXT
    run.debug(f"{run.where} executes: {text}")
    return Status.NEXT if TESTS[word](*texts) else Status.FALSE


def nop(run: Run, _word: str, text: str) -> Status:
    """Say what stands there."""
    run.operator(f"{run.where}: {text}")
    return Status.NEXT


def destroy(run: Run, _word: str, _text: str) -> Status:
    """Not stored, and the sender is told that all went well."""
    run.operator(f"{run.where}: destroyed received image")
    return Status.DESTROY


def destroy_silently(_run: Run, _word: str, _text: str) -> Status:
    """`destroy2`."""
    return Status.DESTROY


def reject(run: Run, _word: str, _text: str) -> Status:
    """Not stored, and the sender is told so."""
    run.operator(f"{run.where}: rejected received image")
    return Status.REJECT


def stop(run: Run, _word: str, _text: str) -> Status:
    """The line ends."""
    run.debug(f"{run.where}: stop")
    return Status.STOP


def stop_silently(_run: Run, _word: str, _text: str) -> Status:
    """`silentstop`."""
    return Status.STOP


def leave(run: Run, _word: str, _text: str) -> Status:
    """`return`: the line ends, and the file that it is in with the line that called it."""
    run.debug(f"{run.where}: return")
    return Status.RETURN


def defer(run: Run, _word: str, _text: str) -> Status:
    """Has a meaning to export converters alone."""
    run.operator(f"{run.where}: defer for exportconverter")
    return Status.NEXT


def storage(run: Run, _word: str, text: str) -> Status:
    """`storage MAGn`: the device that the object would best be stored on."""
    found = STORAGE.match(text)
    if found:
        run.subject.device = found[1].upper()
        run.operator(f"{run.where}: sets preferred storage to {found[1].upper()}")
    return Status.NEXT


def testmode(run: Run, word: str, text: str) -> Status:
    """Says so and no more: what the original does to a file name then could not be seen (section 15)."""
    run.operator(f"{run.where}: sets testmode to {text[len(word) :]}")
    return Status.NEXT


def virtual_server(run: Run, word: str, text: str) -> Status:
    """Have a query or a retrieval ask this virtual server, and of the others those that were named so too."""
    argument, session = text[len(word) :], run.association.session
    run.operator(f"{run.where}: enables virtual server {argument}")
    number = leading_integer(argument)
    if 0 <= number < MOST_SERVERS:
        session.servers = (session.servers or 0) | 1 << number
    return Status.NEXT


def virtual_server_mask(run: Run, word: str, text: str) -> Status:
    """The same for all of them at once: one bit for each."""
    argument = text[len(word) :]
    run.operator(f"{run.where}: sets virtual server mask to {argument}")
    run.association.session.servers = max(leading_integer(argument), 0)
    return Status.NEXT


def not_here(run: Run, _word: str, text: str) -> Status:
    """What this server cannot do."""
    run.error(text)
    return Status.NEXT
