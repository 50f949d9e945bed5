"""`python -m dgate.tryout FILE [CALLING [CALLED]]`, in an instance's folder, with AETITLE and PORT in the environment.

One JSON document on stdout: the trial, or `error`.
"""

from __future__ import annotations

import json
import os
import sys
from collections.abc import Mapping, Sequence

CALLING = "CONQUESTCTL"


def document(arguments: Sequence[str], environ: Mapping[str, str]) -> dict[str, object]:
    """What is printed."""
    from dgate.tryout.instance import TrialError, load_instance
    from dgate.tryout.trial import try_out

    if not 1 <= len(arguments) <= 3:
        return {"error": "usage: python -m dgate.tryout FILE [CALLING [CALLED]]"}
    path, calling, called = [*arguments, *["", ""]][:3]
    try:
        instance = load_instance(environ)
        trial = try_out(instance, path, calling or CALLING, called or instance.settings.ae_title)
    except TrialError as error:
        return {"error": str(error)}
    return trial.document


def main() -> int:
    """The exit status: 1 for what could not be tried."""
    result = document(sys.argv[1:], os.environ)
    sys.stdout.write(json.dumps(result) + "\n")
    return 1 if "error" in result else 0


if __name__ == "__main__":
    sys.exit(main())
