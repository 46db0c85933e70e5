"""Plan, store and execute: which cells are left, where they go, who trains them."""
