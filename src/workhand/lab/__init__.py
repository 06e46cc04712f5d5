"""Measuring what a context policy really does to a cache."""
