"""Training: one loop, many small parts."""
