"""Scaling laws: train size ladders, fit laws, forecast compute budgets - and check the forecast."""
