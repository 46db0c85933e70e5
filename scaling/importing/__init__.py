"""From what a reader hands over to a run table: mapping, units, merging, and an account."""
