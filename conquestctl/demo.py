"""`make demo`: three nodes from nothing to images and back to nothing, in the words a person would type.

Each line runs the real program in a process of its own, in a temporary folder. Whatever comes in between, what was
started is stopped and what was made is removed.
"""

from __future__ import annotations

import os
import shlex
import shutil
import signal
import subprocess
import sys
import tempfile
import time
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from types import FrameType
from typing import TYPE_CHECKING

from conquestctl.cli.main import discard_stdout, translated
from conquestctl.errors import ConquestError, ExitStatus, Interrupted
from conquestctl.output import Environment, Output

if TYPE_CHECKING:
    from conquestctl.engine.base import Engine
    from conquestctl.fleet.instance import Instance

NAMES = ("ct1", "mr1", "pacs1")
ARCHIVE = "pacs1"
ENDING_SIGNALS = (signal.SIGINT, signal.SIGTERM, signal.SIGHUP)
PROGRAM = f"""\
import signal, sys
try:
    signal.pthread_sigmask(signal.SIG_UNBLOCK, {[number.value for number in ENDING_SIGNALS]})
    from conquestctl.cli.main import main
    main()
except KeyboardInterrupt:
    sys.exit({ExitStatus.INTERRUPTED.value})
"""
"""The program as installed, but for the beginning: a Ctrl-C that comes while it is being loaded waits, and then ends
it without a traceback."""


class Interrupts:
    """Ctrl-C, `kill` and a closed terminal: heard at any time, obeyed between two commands.

    A command has its own process group, so that it is told exactly once and can end in good order.
    """

    def __init__(self) -> None:
        self._asked = False
        self._deaf = False
        self._child: subprocess.Popen[bytes] | None = None

    def listen(self) -> None:
        """Hear from now on. What is ignored stays ignored: `nohup` wants it so."""
        for number in ENDING_SIGNALS:
            if signal.getsignal(number) is not signal.SIG_IGN:
                signal.signal(number, self._hear)

    def ask(self) -> None:
        """Interrupt from within."""
        self._asked = True

    def ignore(self) -> None:
        """Hear nothing from now on: clearing up is what an interruption asks for."""
        self._deaf = True

    def run(self, words: Sequence[str], folder: Path, environ: Mapping[str, str]) -> int:
        """Run the program and return its exit status. Raises `Interrupted` when that was asked for before or during."""
        self._check()
        signal.pthread_sigmask(signal.SIG_BLOCK, ENDING_SIGNALS)  # the child begins its life with this mask
        command = (sys.executable, "-c", PROGRAM, *words)
        self._child = subprocess.Popen(command, cwd=folder, env=environ, process_group=0)
        signal.pthread_sigmask(signal.SIG_UNBLOCK, ENDING_SIGNALS)
        status = self._child.wait()
        self._child = None
        self._check()
        return status

    def _hear(self, _number: int, _frame: FrameType | None) -> None:
        if self._deaf:
            return
        if self._child is not None and not self._asked:
            self._child.send_signal(signal.SIGINT)
        self._asked = True

    def _check(self) -> None:
        if self._asked and not self._deaf:
            raise Interrupted("interrupted")


@dataclass(frozen=True, slots=True)
class Stage:
    """Where the demo plays."""

    folder: Path
    engine: Engine
    output: Output
    interrupts: Interrupts

    @property
    def fleet(self) -> Path:
        """The fleet's root: what the program takes when it is started in `folder`."""
        return self.folder / "instances"

    def say(self, text: str) -> None:
        """Print a line of the story, in its place among what the commands print.

        When nobody reads any more the story ends before the next command, as with Ctrl-C.
        """
        try:
            self.output.data(text)
            self.output.environment.stdout.flush()
        except BrokenPipeError:
            discard_stdout(self.output.environment)
            self.interrupts.ask()

    def type(self, why: str, *words: str) -> None:
        """Show a command line and run it. Raises `ConquestError` when it fails; why, it has said itself."""
        self.say(f"\n# {why}\n$ {shlex.join(('conquestctl', *words))}")
        status = self.interrupts.run(words, self.folder, self._environ())
        if status:
            raise _stopped(words, status)

    def _environ(self) -> dict[str, str]:
        """The person's own, except for what would lead to another fleet or another engine than the demo's."""
        environ = dict(self.output.environment.environ)
        environ.pop("CONQUESTCTL_ROOT", None)
        packages = [str(Path(__file__).resolve().parents[1]), environ.get("PYTHONPATH", "")]
        return environ | {
            "CONQUESTCTL_ENGINE": self.engine.name,
            "PYTHONPATH": os.pathsep.join(filter(None, packages)),
            "PYTHONUNBUFFERED": "1",
        }


def demo(environment: Environment, interrupts: Interrupts) -> ExitStatus:
    """Play the demo and clear up; the exit status of the first step that failed."""
    began = time.monotonic()
    output = Output(environment)
    try:
        stage = set_up(output, interrupts)
    except Exception as error:  # noqa: BLE001 -- shown, whatever it is
        return _shown(output, error)
    played = _attempt(stage, play)
    interrupts.ignore()
    cleared = _attempt(stage, clear)
    if cleared is ExitStatus.OK:
        end = "Stopped early" if played else "That was the demo"
        output.note(f"\n{end}: {time.monotonic() - began:.0f} s, and nothing is left of it.")
    return played or cleared


def set_up(output: Output, interrupts: Interrupts) -> Stage:
    """Choose the engine, say which and why, and make the temporary folder. Raises `EngineError`, `UsageError`."""
    from conquestctl.engine.select import select_engine

    environ = output.environment.environ
    engine, reason = select_engine(environ.get("CONQUESTCTL_ENGINE") or "auto", environ)
    stage = Stage(Path(tempfile.mkdtemp(prefix="conquest-demo-")), engine, output, interrupts)
    stage.say(f"Where the nodes run: {reason}")
    stage.say(f"\n# A folder for the fleet; it is removed at the end\n$ cd {shlex.quote(str(stage.folder))}")
    return stage


def play(stage: Stage) -> None:
    """Tell the story until images are in the archive. Raises `ConquestError` for the first step that fails."""
    stage.type("Three nodes: folders with settings and an empty archive", "create", *NAMES)
    if _lacks_image(stage.engine):
        stage.type("Once per machine: the image that the containers run", "image", "build")
    stage.type("Start them; it returns when each has answered a C-ECHO", "up", "--all")
    stage.type("Ask each again whether it is there", "echo")
    count = _copy_samples(stage.folder / "images")
    stage.say(f"\n# Into images/ went {count} objects that come with pydicom, one of each kind")
    stage.type("Send them to one of the nodes", "send", ARCHIVE, "images")
    stage.type("See what the fleet holds now", "status")


def clear(stage: Stage) -> None:
    """Stop what runs, remove what was made. Raises `ConquestError` when something had to be left, saying where."""
    from conquestctl.fleet.scan import Fleet

    try:
        if made := Fleet.open(stage.fleet).instances():
            stage.type("Stop them; their images would stay", "down", "--all")
            stage.type("Remove them with their images", "rm", "--all", "--purge", "--yes")
            _remove_networks(stage.engine, made)
        shutil.rmtree(stage.folder)
    except (ConquestError, OSError) as error:
        raise ConquestError(
            f"the demo could not clear up: {translated(error).message}",
            hint=f"When the cause is gone: cd {stage.folder} && conquestctl down --all; then remove that folder.",
        ) from error


def _attempt(stage: Stage, act: Callable[[Stage], None]) -> ExitStatus:
    """Do it and show what went wrong; the exit status that means it."""
    try:
        act(stage)
    except Exception as error:  # noqa: BLE001 -- whatever it is, clearing up comes next
        return _shown(stage.output, error)
    return ExitStatus.OK


def _shown(output: Output, error: Exception) -> ExitStatus:
    failure = translated(error)
    output.error(failure)
    return failure.status


def _stopped(words: tuple[str, ...], status: int) -> ConquestError:
    error = ConquestError(f"the demo ends here, because conquestctl {words[0]} failed with exit status {status}")
    error.status = ExitStatus(status) if status in set(ExitStatus) else ExitStatus.FAILURE
    return error


def _lacks_image(engine: Engine) -> bool:
    if engine.name != "docker":
        return False
    from conquestctl.engine import images
    from conquestctl.engine.docker import DockerEngine
    from conquestctl.fleet.settings import DEFAULT_IMAGE

    return isinstance(engine, DockerEngine) and not images.exists(engine.client, DEFAULT_IMAGE)


def _copy_samples(folder: Path) -> int:
    from conquestctl.dicom.samples import bundled, one_of_each_kind

    folder.mkdir()
    return len([shutil.copy(path, folder) for path in one_of_each_kind(bundled())])


def _remove_networks(engine: Engine, instances: list[Instance]) -> None:
    if engine.name != "docker":
        return
    from conquestctl.engine.docker import DockerEngine

    if isinstance(engine, DockerEngine):
        engine.remove_networks(instances)


def main() -> None:
    """Entry point."""
    interrupts = Interrupts()
    interrupts.listen()
    sys.exit(demo(Environment.of_process(), interrupts))


if __name__ == "__main__":
    main()
