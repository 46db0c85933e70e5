"""The forecasters of isoFLOP tables that are no law: the decoupled model and Approach 2."""
