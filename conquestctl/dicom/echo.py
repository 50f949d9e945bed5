"""C-ECHO to many nodes at once."""

from __future__ import annotations

from collections.abc import Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from functools import partial
from time import perf_counter

from conquestctl.dicom.association import Link, association
from conquestctl.dicom.target import CALLING, EchoTarget
from conquestctl.dicom.verdict import Layer, verdict

__all__ = ["CALLING", "EchoResult", "EchoTarget", "echo", "echo_all"]

VERIFICATION = "1.2.840.10008.1.1"
IMPLICIT_LITTLE = "1.2.840.10008.1.2"
"""The transfer syntax every DICOM node must accept; one is enough for a C-ECHO, which carries no data."""

WORKERS = 8
TIMEOUT = 5.0


@dataclass(frozen=True, slots=True)
class EchoResult:
    """What came of one C-ECHO."""

    target: EchoTarget
    ok: bool
    seconds: float
    """From before the name is resolved until the answer (or the failure)."""
    layer: str = ""
    """The layer at fault in words (a `Layer`); empty when ok."""
    detail: str = ""


def echo(target: EchoTarget, *, timeout: float = TIMEOUT, calling: str = CALLING) -> EchoResult:
    """Ask one node for a C-ECHO under its own AE title; never raises for what the peer does."""
    from pynetdicom.presentation import build_context

    start = perf_counter()
    link = Link(target, calling, timeout, total=True)
    with association(link, [build_context(VERIFICATION, IMPLICIT_LITTLE)]) as (assoc, recorder):
        if assoc is not None:
            try:
                recorder.status = assoc.send_c_echo().get("Status")
            except (RuntimeError, ValueError):
                recorder.status = None  # the peer went away between its acceptance and our question
        seconds = perf_counter() - start
        layer, detail = verdict(recorder.facts())
    return EchoResult(target, layer is Layer.NONE, seconds, layer.value, detail)


def echo_all(
    targets: Sequence[EchoTarget], *, timeout: float = TIMEOUT, workers: int = WORKERS, calling: str = CALLING
) -> list[EchoResult]:
    """C-ECHO every target, at most `workers` at a time; results in the order of the targets."""
    pool = ThreadPoolExecutor(max(1, min(workers, len(targets))), thread_name_prefix="echo")
    try:
        return list(pool.map(partial(echo, timeout=timeout, calling=calling), targets))
    finally:
        pool.shutdown(wait=False, cancel_futures=True)  # Ctrl-C does not wait for the rest of the list
