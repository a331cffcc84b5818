"""The pipeline of a run as a graph of small functions."""
