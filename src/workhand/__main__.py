"""Run the command line: ``python -m workhand``."""

from __future__ import annotations

from workhand.cli.main import main

main()
