"""Trackers: where the numbers and files of a run are kept besides the run folder."""
