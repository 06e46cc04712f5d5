"""Sessions made from a seed, of the kinds that were recorded."""
