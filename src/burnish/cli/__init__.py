"""The command line; no logic, heavy imports inside functions."""
