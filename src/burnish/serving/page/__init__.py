"""The page to try models on: what a browser sees of the server."""
