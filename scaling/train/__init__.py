"""Training: schedule, optimiser, step, engine. Read in that order."""
