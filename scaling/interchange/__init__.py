"""Run tables between people and tools: converted, checked, joined, filtered, summarised."""
