"""Tasks: how examples become tokens and outputs become answers."""
