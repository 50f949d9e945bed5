"""The real program, with deadlines that a test can wait for: `python -m tests.dgate.hostile.serving TIMES WORDS...`.

Under root it gives up what root may do beyond the permissions of a file, so that a read-only folder is one.
"""

from __future__ import annotations

import ctypes
import json
import sys
from functools import partial

from dgate import server
from dgate.index.database import sqlite
from dgate.main import main
from dgate.net.limits import Limits

DATABASE_PATIENCE = 0.3
CAPABILITIES_3 = 0x20080522


def drop_capabilities() -> None:
    """All of this process and of the threads it will have (capset(2))."""
    header = (ctypes.c_uint32 * 2)(CAPABILITIES_3, 0)
    nothing = (ctypes.c_uint32 * 6)()
    if ctypes.CDLL(None, use_errno=True).capset(header, nothing):
        raise OSError(ctypes.get_errno(), "capset")


if __name__ == "__main__":
    drop_capabilities()
    sqlite.BUSY_SECONDS = DATABASE_PATIENCE
    vars(server)["Limits"] = partial(Limits, **json.loads(sys.argv[1]))
    sys.exit(main(sys.argv[2:]))
