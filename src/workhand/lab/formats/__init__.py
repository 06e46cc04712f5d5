"""Readers of recorded sessions, one module a format; each turns lines into a ``Trace`` and says which it could not use."""
