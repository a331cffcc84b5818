"""The pipeline of a run as a graph of small functions.

`from burnish.pipeline import nodes` is the module for Hamilton's own driver; see the guide
docs/guides/hamilton.md.
"""
