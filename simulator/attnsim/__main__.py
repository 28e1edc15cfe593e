"""`python -m attnsim` is the command `attnsim`."""

from __future__ import annotations

import sys

from attnsim.cli import main

if __name__ == "__main__":
    sys.exit(main())
