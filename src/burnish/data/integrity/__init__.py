"""Checks of the rows: what is missing, repeated, contradictory, or on two sides of a split."""
