"""What is seen of a trial: the log lines, and what a server would have done, in their order."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Literal

from dgate.record import dataclass, field
from dgate.rules.run import shown

Kind = Literal["operator", "debug", "would"]
Deed = Literal["send", "queue", "run", "write", "remove", "change"]


@dataclass(frozen=True, slots=True)
class Step:
    """One line of the log, or something that a server would have done there."""

    kind: Kind
    text: str


@dataclass(frozen=True, slots=True)
class Action:
    """Something that a server would have done."""

    deed: Deed
    text: str
    """To whom, what, or to which file."""


@dataclass
class Record:
    """Implements `Log` of dgate.interfaces; `folders` are the devices of the trial, and those they stand for."""

    folders: Mapping[str, str]
    steps: list[Step] = field(default_factory=list)
    actions: list[Action] = field(default_factory=list)

    def console(self, line: str) -> None:
        """See `Log`."""
        self.steps.append(Step("operator", self.named(line)))

    def debug(self, line: str) -> None:
        """See `Log`. Free space says nothing about a converter."""
        if not line.startswith("FreeStore Left"):
            self.steps.append(Step("debug", self.named(line)))

    def trouble(self, line: str) -> None:
        """See `Log`."""
        self.console(line)

    def user(self, operation: str, calling_ae: str) -> None:
        """See `Log`: nobody did anything."""

    def hold(self) -> None:
        """See `Log`: nothing waits here."""

    flush = release = hold

    def would(self, deed: Deed, text: str) -> None:
        """A server would do this now. Text of one character for each byte, as lines have it."""
        action = Action(deed, self.named(shown(text)))
        self.actions.append(action)
        self.steps.append(Step("would", f"would {deed} {action.text}"))

    def named(self, text: str) -> str:
        """A text with the folders that the instance has, in place of those of the trial."""
        for ours, theirs in self.folders.items():
            text = text.replace(ours, theirs)
        return text
