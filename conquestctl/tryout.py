"""The converters of an instance on a file, without a server: the server's own code does it, in a process of its own."""

from __future__ import annotations

import json
import subprocess
import sys
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from conquestctl.errors import ConquestError, InvalidError, NotFoundError
from conquestctl.fleet.instance import Instance

COMMAND = (sys.executable, "-P", "-m", "dgate.tryout")
"""`-P`: what lies in an instance's folder must not be imported in place of the real thing."""
PASSED_ON = ("HOME", "LANG", "LC_ALL", "TZ", "TMPDIR")
SECONDS = 600.0
"""An endless script ends long before, by its own limits."""


@dataclass(frozen=True, slots=True)
class Change:
    """One element that would be stored otherwise than it is in the file. None: it is not there."""

    path: str
    keyword: str
    before: str | None
    after: str | None


@dataclass(frozen=True, slots=True)
class Trial:
    """What would become of a file."""

    verdict: str
    """stored, destroyed, rejected or failed."""
    status: int
    """Of the C-STORE response."""
    path: str
    """Where it would be stored."""
    steps: tuple[tuple[str, str], ...]
    """operator, debug or would, and the line."""
    changes: tuple[Change, ...]
    actions: tuple[tuple[str, str], ...]
    """send, queue, run, write, remove or change, and what."""
    notes: tuple[str, ...]


def try_out(
    instance: Instance, file: Path, environ: Mapping[str, str], *, calling_ae: str = "", called_ae: str = ""
) -> Trial:
    """Try a file. Raises `NotFoundError` for none, `InvalidError` for one that is no DICOM or a broken instance."""
    if not file.is_file():
        raise NotFoundError(f"{file}: no such file")
    done = _run(instance, [str(file.resolve()), calling_ae, called_ae], environ)
    try:
        document = json.loads(done.stdout)
    except ValueError as error:
        last = done.stderr.decode("utf-8", "replace").strip().rpartition("\n")[2]
        raise ConquestError(f"the trial ended with status {done.returncode}: {last}", instance=instance.name) from error
    if "error" in document:
        raise InvalidError(document["error"], instance=instance.name)
    return _trial(document)


def _run(instance: Instance, words: list[str], environ: Mapping[str, str]) -> subprocess.CompletedProcess[bytes]:
    variables = {name: environ[name] for name in PASSED_ON if name in environ}
    variables |= {"AETITLE": instance.ae_title, "PORT": str(instance.port)}
    try:
        return subprocess.run(
            [*COMMAND, *words],
            cwd=instance.folder,
            env=variables,
            stdin=subprocess.DEVNULL,
            capture_output=True,
            check=False,
            timeout=SECONDS,
        )
    except subprocess.TimeoutExpired as error:
        raise ConquestError(f"the trial took more than {SECONDS:.0f} seconds", instance=instance.name) from error


def _trial(document: Mapping[str, Any]) -> Trial:
    return Trial(
        document["verdict"],
        document["status"],
        document["path"],
        tuple((step["kind"], step["text"]) for step in document["steps"]),
        tuple(Change(**change) for change in document["changes"]),
        tuple((action["deed"], action["text"]) for action in document["actions"]),
        tuple(document["notes"]),
    )


def as_text(trial: Trial) -> str:
    """What a person is shown: the steps, the changes as a diff, the verdict. Pure."""
    marks = {"operator": "  ", "debug": ". ", "would": "> "}
    parts = ["\n".join(marks[kind] + text for kind, text in trial.steps)]
    if trial.changes:
        rows = [f"  {one.path} {one.keyword}".rstrip() + f"\n{_sides(one.before, one.after)}" for one in trial.changes]
        parts.append("Changes:\n" + "\n".join(rows))
    parts.append("\n".join([*(f"Note: {note}" for note in trial.notes), _verdict(trial)]))
    return "\n\n".join(part for part in parts if part)


def _sides(before: str | None, after: str | None) -> str:
    sides = (f"    {mark} {text}" for mark, text in (("-", before), ("+", after)) if text is not None)
    return "\n".join(side.rstrip() for side in sides)


def _verdict(trial: Trial) -> str:
    where = f" as {trial.path}" if trial.path else ""
    lines = [f"Verdict: {trial.verdict}{where}, C-STORE status 0x{trial.status:04X}"]
    return "\n".join(lines + [f"  would {deed} {what}" for deed, what in trial.actions])
