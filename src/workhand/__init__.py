"""Workhand: an open general agent.

Importing this package does nothing; import what you need from its parts:
``workhand.core`` (values and pure functions), ``workhand.runtime.wake`` (the
loop), ``workhand.models``, ``workhand.tools``, ``workhand.sandbox``,
``workhand.store``, ``workhand.agents``, and ``workhand.testing`` for your tests.
"""
