"""Baselines: cheap rivals, trained and scored on the same rows as the tuned model."""
