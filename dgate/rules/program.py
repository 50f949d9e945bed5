"""Lines made ready, and the loop that carries them out (conquest-converters.md 3 and 12)."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from typing import TYPE_CHECKING

from dgate.config.converters.commands import OPEN, identify
from dgate.config.converters.grammar import MAX_LINE, split
from dgate.dataset.structure import DataSetError
from dgate.rules.needs import needs_of
from dgate.rules.outcome import Status
from dgate.rules.run import MAX_DEPTH
from dgate.rules.substitution import Template

if TYPE_CHECKING:
    from dgate.config.converters.grammar import Statement
    from dgate.dataset.terms import Terms
    from dgate.rules.run import Run

Verb = Callable[["Run", str, str], Status]
"""Carries out a statement: the run, the word it begins with (nothing for an unknown one), its whole text."""

MAX_EXPANDED = 16 * 1024
"""Characters of a statement with its values; the original's buffers end at about 1000."""


_NEXT, _FALSE = Status.NEXT, Status.FALSE


class Step:
    """One statement of a line."""

    __slots__ = ("brace", "part", "template", "verb", "word")

    def __init__(self, statement: Statement, terms: Terms, verbs: Mapping[str, Verb]) -> None:
        self.brace = statement.brace
        self.part = statement.part
        self.template = Template(statement.text, terms)
        beginning = self.template.beginning
        verdict, word = identify(beginning, complete=self.template.literal is not None)
        self.word = word
        """The command it begins with, as far as that does not depend on a value."""
        self.verb = None if verdict == OPEN else verbs[word]
        """What carries it out, if that does not."""


class Line:
    """The statements of one line, ready to run."""

    __slots__ = ("early", "steps", "tags", "text")

    def __init__(self, text: str, terms: Terms, verbs: Mapping[str, Verb]) -> None:
        self.text = text
        self.steps = tuple(Step(statement, terms, verbs) for statement in split(text[:MAX_LINE]))
        needs = [needs_of(step.word, step.template, terms) for step in self.steps if step.template.literal != ""]
        self.early = all(need is not None for need in needs)
        """Whether it neither needs nor does more than what is known beforehand; see `tags`."""
        self.tags = frozenset(tag for need in needs for tag in need or ())
        """Top-level elements that it shows or changes, as far as that is known beforehand."""

    def run(self, run: Run) -> Status:
        """Carry out the statements in turn. Never raises for what is in a line or in an object."""
        if run.depth > MAX_DEPTH:
            return _too_deep(run)
        if len(self.text) > MAX_LINE:
            run.error(f"a line of more than {MAX_LINE} characters")
            return Status.NEXT
        depth = 0
        pending = False
        for step in self.steps:
            run.part = step.part
            if (depth or pending) and step.brace:
                depth += 1 if step.brace == "{" else -1
                pending = False
            if depth:
                run.debug(f"{run.where} skipped")
            elif pending:
                pending = False
                run.debug(f"{run.where} not executed because of previous statement")
            else:
                status = _execute(step, run)
                if status is _FALSE:
                    pending = True
                elif status is not _NEXT:  # a look into a set of them would cost ten times as much
                    return status
        return Status.NEXT


def _execute(step: Step, run: Run) -> Status:
    budget = run.budget
    if budget.left <= 0:
        return _exhausted(run)
    budget.left -= 1
    try:
        text = step.template.expand(run)
        if len(text) > MAX_EXPANDED:
            run.error(f"a statement of more than {MAX_EXPANDED} characters: {text[:64]}...")
            return Status.NEXT
        if step.verb is not None:
            return step.verb(run, step.word, text)
        word = identify(text)[1]
        return run.services.library.verbs[word](run, word, text)
    except (DataSetError, OSError) as fault:
        reason = fault.strerror if isinstance(fault, OSError) else str(fault)
        run.error(f"{reason}: {step.template.literal or step.template.beginning}")
        return Status.NEXT


def _too_deep(run: Run) -> Status:
    """Said once for an object: calls that branch would say it millions of times. Each counts as a statement."""
    if not run.budget.too_deep:
        run.budget.too_deep = True
        run.error(f"lines call one another more than {MAX_DEPTH} deep")
    if run.budget.left <= 0:
        return _exhausted(run)
    run.budget.left -= 1
    return Status.NEXT


def _exhausted(run: Run) -> Status:
    """Too much has been done for one object: all that calls something ends. The object is stored as it is."""
    if run.budget.left == 0:
        run.budget.left = -1
        run.error("too many statements for one object; the rest is not executed")
    return Status.RETURN
