"""Run the command line: ``python -m workhand``."""

from __future__ import annotations

from workhand.cli.main import main

if __name__ == "__main__":  # and not where a worker process of ours imports it
    main()
