"""How well a table has forecast its own larger runs, and the intervals that follow from it."""
