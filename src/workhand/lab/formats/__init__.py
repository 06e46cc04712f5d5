"""Readers of recorded sessions, one module a format: lines in, a ``Trace`` out, with the lines that were no good."""
