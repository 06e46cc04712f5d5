"""Deterministic stand-ins for the ports, shipped so that your tests can use them too.

They are real implementations with nothing behind them, not mocks: a model that
reads from a list, tools that keep a ledger of their effects, a clock that only
moves when told, and a store that can crash.
"""
