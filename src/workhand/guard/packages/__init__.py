"""Packages of Python for a machine that reaches no index itself: an index on the host, behind a door of its own.

``pages`` reads what an index says, ``wheels`` keeps files by digest, ``upstream`` asks the one index that there is,
and ``serving`` answers programs inside.
"""
