"""Finding pages and documents: four services of the web, and a folder on this machine, which needs no network."""
