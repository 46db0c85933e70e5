"""What acting on a forecast is worth: regret of a choice, and which recipe or family wins."""
