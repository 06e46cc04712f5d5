"""Readers: each turns documents of its kinds into blocks of Markdown, one after another.

The text is for reading, not for drawing: nothing in it is escaped that a reader understands
as it stands.  A reader is a function from a ``Source`` to the blocks, and it stops where the
budget of the source ends.
"""
