"""One way between two nodes, explained step by step; and tried out with an object of our own, which is taken back."""

from __future__ import annotations

import tempfile
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

from conquestctl.dicom.causes import Way, cause
from conquestctl.dicom.look import NOT_IN_MAP, Look, look_from
from conquestctl.dicom.move import has_patient, move_when_known
from conquestctl.dicom.send import send
from conquestctl.dicom.specimen import write_specimen
from conquestctl.dicom.target import EchoTarget
from conquestctl.dicom.verdict import Layer
from conquestctl.engine.base import Engine
from conquestctl.errors import ConquestError
from conquestctl.fleet.instance import Instance
from conquestctl.fleet.maps import IN_INSTANCE
from conquestctl.fleet.nodes import Neighbourhood
from conquestctl.mesh import ways_from
from dgate.config.amap import Node

TIMEOUT = 10.0


@dataclass(frozen=True, slots=True)
class Step:
    """One thing that was looked at or done."""

    name: str
    ok: bool
    detail: str
    hint: str = ""


def way_to(source: Instance, target: str, around: Neighbourhood) -> Way:
    """Return the way from an instance to another, to a node of the fleet, or to any AE title, which is looked for."""
    for way in ways_from(source, around):
        if target == way.wanted.ae or (way.sibling and target == way.sibling.name):
            return way
    return Way(source, around.readers[source.name], Node(target, "", ""))


def explain(way: Way, engine: Engine, timeout: float = TIMEOUT) -> Iterator[Step]:
    """Yield the steps of a C-ECHO until one fails. Raises `EngineError` when the instance cannot look around."""
    (look,) = look_from(engine, way.source, [way.wanted.ae], timeout)
    yield from steps_of(way, look)


def steps_of(way: Way, look: Look) -> list[Step]:
    """Tell what was seen as steps, up to the first that failed. Pure."""
    layer, detail = look.verdict()
    hint = cause(way, look) if way.wanted.host else _unknown(way)
    entry, facts = look.entry, look.facts
    if layer == NOT_IN_MAP or entry is None:
        return [Step("map", ok=False, detail=detail, hint=hint)]
    steps = [Step("map", ok=True, detail=f"{IN_INSTANCE}:{entry.line}: {_words(entry)}")]
    if layer == Layer.NAME:
        return [*steps, Step("name", ok=False, detail=detail, hint=hint)]
    resolved = ", ".join(look.addresses)
    named = f"{entry.host} is {resolved}" if resolved != entry.host else f"{entry.host}, an address"
    steps.append(Step("name", ok=True, detail=named))
    if facts.connect_errno is not None or not look.connected:
        return [*steps, Step("TCP", ok=False, detail=f"port {entry.port}: {detail}", hint=hint)]
    steps.append(Step("TCP", ok=True, detail=f"{look.connected} port {entry.port} takes connections"))
    if not (facts.accepted and facts.contexts):
        return [*steps, Step("association", ok=False, detail=detail, hint=hint)]
    steps.append(Step("association", ok=True, detail=f"{facts.calling} calls {facts.called}, which accepts"))
    if layer:
        return [*steps, Step("C-ECHO", ok=False, detail=detail, hint=hint)]
    return [*steps, Step("C-ECHO", ok=True, detail=f"answered, {look.seconds * 1000:.0f} ms in all")]


def _words(entry: Node) -> str:
    return f"{entry.ae} {entry.host} {entry.port} {entry.compression}"


def _unknown(way: Way) -> str:
    return f"Neither an instance nor a node of the fleet is called so: conquestctl node add {way.wanted.ae} HOST PORT"


def try_out(way: Way, engine: Engine, timeout: float = TIMEOUT) -> Iterator[Step]:
    """Yield the steps of a C-STORE to the source, a C-MOVE on to the target, and, from an instance, one back.

    The object is deleted on every instance that may have got it, whatever happens in between.
    """
    source, sibling = way.source, way.sibling
    with tempfile.TemporaryDirectory(prefix="conquestctl-") as folder:
        specimen = write_specimen(Path(folder))
        patient = specimen.patient_id
        holders = [source]
        try:
            (stored,) = send(_target(source), [specimen.path], timeout=timeout)
            yield Step("C-STORE", stored.ok, f"{patient} at {source.name}" if stored.ok else stored.detail)
            if not stored.ok:
                return
            holders += [sibling] if sibling else []
            moved = move_when_known(_target(source), patient, way.wanted.ae, timeout=timeout).failure
            yield Step("C-MOVE", not moved, moved or f"{source.name} sent it to {way.wanted.ae}", _logs(source, moved))
            if not moved and sibling:
                yield from _there_and_back(source, sibling, engine, patient, timeout)
        finally:
            left = [step for holder in holders for step in _deleted(holder, engine, patient, timeout)]
    yield from left
    if not moved and not sibling:
        detail = f"{way.wanted.ae} is not of this fleet and keeps patient {patient}"
        yield Step("left behind", ok=True, detail=detail, hint=f"Delete patient {patient} there.")


def _there_and_back(
    source: Instance, sibling: Instance, engine: Engine, patient: str, timeout: float
) -> Iterator[Step]:
    """It arrived; and it comes back to where it was deleted in the meantime."""
    there = has_patient(_target(sibling), patient, timeout=timeout)
    yield Step("C-FIND", bool(there), f"{sibling.name} has it" if there else f"{sibling.name} does not have it")
    if not there:
        return
    gone = _deleted(source, engine, patient, timeout)
    yield from gone
    if not all(step.ok for step in gone):
        return
    back = move_when_known(_target(sibling), patient, source.ae_title, timeout=timeout).failure
    if not back and not has_patient(_target(source), patient, timeout=timeout):
        back = f"{sibling.name} says it sent it, but {source.name} does not have it"
    yield Step("C-MOVE back", not back, back or f"{sibling.name} sent it to {source.ae_title}", _logs(sibling, back))


def _logs(instance: Instance, failed: str) -> str:
    return f"Why, says the server: conquestctl logs {instance.name}" if failed else ""


def _deleted(instance: Instance, engine: Engine, patient: str, timeout: float) -> list[Step]:
    """Delete the patient by a server command from inside, where such are taken from; and see that it is gone."""
    command = ["python3", "-P", "-m", "dgate.main", "-wmount/config", f"-q{_inside(instance, engine)}"]
    try:
        ran = engine.capture(instance, [*command, f"-p{instance.port}", f"--deletepatient:{patient}"])
        said = (ran.err + ran.out).decode("utf-8", "replace").strip()
    except ConquestError as error:
        said = error.message
    if has_patient(_target(instance), patient, timeout=timeout) is False:
        return [Step("delete", ok=True, detail=f"{patient} is no longer at {instance.name}")]
    hint = f"Delete patient {patient} there: conquestctl exec {instance.name} -- dgate --deletepatient:{patient}"
    return [Step("delete", ok=False, detail=f"{patient} is still at {instance.name}: {said}", hint=hint)]


def _inside(instance: Instance, engine: Engine) -> str:
    """Where the server listens as seen from beside it: in a network of its own it does on all its addresses."""
    return "127.0.0.1" if engine.name == "docker" and not instance.on_host else instance.host


def _target(instance: Instance) -> EchoTarget:
    return EchoTarget(instance.name, instance.ae_title, instance.host, instance.port)
