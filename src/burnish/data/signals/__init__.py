"""Signals: named predicates and measures over rows, their algebra, and what they select.

`signal` is the value a user holds, `tree` what is inside it, `formula` its text; `library` makes
the ready ones that a recipe names; `select` divides rows by a formula.
"""
