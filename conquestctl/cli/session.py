"""What a command works with: the fleet's root, the engine, the output door. Everything heavy comes on first use."""

from __future__ import annotations

import os
from collections.abc import Mapping
from dataclasses import dataclass
from functools import cached_property
from pathlib import Path
from typing import TYPE_CHECKING

from conquestctl.errors import ConquestError, ExitStatus, UsageError
from conquestctl.output import Environment, Output

if TYPE_CHECKING:
    import typer

    from conquestctl.engine.base import Engine
    from conquestctl.fleet.scan import Fleet

ENGINES = ("auto", "docker", "process")


@dataclass(frozen=True)
class Session:
    """One run of the program, as the global options and the environment state it."""

    root: Path
    """Absolute path of the folder that holds the instances; it need not exist."""
    engine_choice: str
    """One of `ENGINES`."""
    output: Output

    @property
    def environ(self) -> Mapping[str, str]:
        """The environment variables of this run."""
        return self.output.environment.environ

    def with_json(self, as_json: bool) -> Session:
        """Put the output into JSON mode if `as_json`; returns itself."""
        self.output.json = self.output.json or as_json
        return self

    def fleet(self) -> Fleet:
        """Read the fleet under `root` now."""
        from conquestctl.fleet.scan import Fleet

        return Fleet.open(self.root)

    def engine(self) -> Engine:
        """Return the engine, chosen once per run. Raises `EngineError` when it does not answer."""
        return self._engine

    @cached_property
    def _engine(self) -> Engine:
        from conquestctl.engine.select import select_engine

        engine, reason = select_engine(self.engine_choice, self.environ)
        if self.engine_choice == "auto" and reason:
            self.output.note(reason)
        return engine

    def optional_docker(self) -> Engine | None:
        """Return the Docker engine if one answers, whatever engine is chosen: for questions that can do without."""
        return self._docker

    def every_engine(self) -> list[Engine]:
        """Every engine on which an instance might run, whichever is chosen now. Raises `EngineError`."""
        from conquestctl.engine.select import select_engine

        processes = select_engine("process", self.environ)[0]
        docker = self.engine() if self.engine_choice == "docker" else self.optional_docker()
        return [processes, docker] if docker else [processes]

    @cached_property
    def _docker(self) -> Engine | None:
        from conquestctl.engine.select import select_engine

        chosen = self.__dict__.get("_engine")
        if chosen is not None and chosen.name == "docker":
            return self._engine
        try:
            return select_engine("docker", self.environ)[0]
        except ConquestError:
            return None


def open_session(output: Output, root: str | None, engine: str | None) -> Session:
    """Apply the order option, environment variable, default. Raises `UsageError` for an engine nobody knows."""
    environment = output.environment
    choice = engine or environment.environ.get("CONQUESTCTL_ENGINE") or "auto"
    if choice not in ENGINES:
        source = "--engine" if engine else "CONQUESTCTL_ENGINE"
        raise UsageError(f"{source} is '{choice}', which is no engine", hint=f"Use one of: {', '.join(ENGINES)}.")
    folder = root or environment.environ.get("CONQUESTCTL_ROOT") or "instances"
    root_path = Path(os.path.abspath(environment.cwd / folder))  # noqa: PTH100 -- a link the operator chose stays one
    return Session(root_path, choice, output)


def current(ctx: typer.Context) -> Session:
    """Return the session of a command's context."""
    session = ctx.find_root().obj
    if not isinstance(session, Session):
        raise TypeError("the application's callback did not run")
    return session


def outcome(total: int, failed: int, all_failed: ExitStatus) -> ExitStatus:
    """Exit status of work on `total` instances of which `failed` failed."""
    if not failed:
        return ExitStatus.OK
    return ExitStatus.PARTIAL if failed < total else all_failed


def output_of(ctx: typer.Context) -> Output:
    """Return the output door `run` put into the context, or one for this process under Typer's own test runner."""
    given = ctx.obj
    return given if isinstance(given, Output) else Output(Environment.of_process())
