"""`python3 -m dgate`: the server's command line."""

from __future__ import annotations

import sys

from dgate.main import main

sys.exit(main())
