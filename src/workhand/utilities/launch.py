#!/usr/bin/env -S python3 -I
"""Run the program by whose name this file was called; the names in a machine's path are links to it."""

from __future__ import annotations

import importlib
import os
import sys

if __name__ == "__main__":
    here = os.path.dirname(os.path.realpath(__file__))
    sys.path.insert(0, os.path.dirname(here))
    commands = importlib.import_module(os.path.basename(here) + ".commands")
    sys.exit(commands.main(os.path.basename(sys.argv[0]), sys.argv[1:]))
