"""One self-contained HTML page that tells a run, made from its files alone."""
