"""Language models: each turns a prompt and a mask into one answer.

A provider is a pure wire half (prompt pieces to bytes or tokens and back) and
a thin client half that waits.  ``providers`` makes a model of a ``provider:name``.
"""
