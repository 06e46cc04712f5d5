"""The programs that a session's machine has beside its own: documents are read, converted and drawn by them.

Nothing here is on the list of functions that the model sees.  It finds these programs with
``workhand-tools`` and learns each from its ``--help``; those texts are its documentation.

The package is copied into the machine and stands alone there: it uses the standard
library only, runs on Python 3.9 and later, and its modules name each other relatively.
Hostile documents are parsed here, inside, and never in the host's process.  ``launch.py``
is what the names in the machine's path link to.
"""
