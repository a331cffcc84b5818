"""Metrics: functions of answers, registered by name in `table`."""
