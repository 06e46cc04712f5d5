"""The cheapest schedule of compactions, had one known what comes."""
