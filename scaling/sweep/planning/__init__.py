"""What cells will cost, on what, for how long; and which are dropped to fit a budget."""
