"""What each section of the report shows: one module a section, one `view` function each.

A view turns the run's files into plain values that the template of the same name lays out,
or raises `Absent` with the reason why there is nothing to show.
"""
