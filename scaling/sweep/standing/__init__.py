"""How a study stands: what is done, runs, is left, and how its cells fare."""
