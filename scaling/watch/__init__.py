"""A study as it runs: how it stands, the law so far, and how its forecast moved."""
