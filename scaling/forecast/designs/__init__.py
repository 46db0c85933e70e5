"""The next runs to train: those that narrow a forecast most for what they cost."""
