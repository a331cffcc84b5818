"""Made-up rows: templates filled with words, each with its label."""
