"""Sentences of a text, found by a rule simple enough to tell.

A sentence ends at a line break, or at `.`, `!` or `?` (quotes and brackets that close may follow)
before white space; `。`, `！` and `？` end one by themselves. "Dr. Who" is thus two sentences: no
list of abbreviations is kept, being another in every language.
"""

import re

_END = re.compile(r"(?<=[.!?])[\"'”’)\]]*\s+|(?<=[。！？])\s*|[\r\n]+")


def sentences(text: str) -> list[str]:
    """Return the sentences of a text without white space around; none of a blank text."""
    found = []
    start = 0
    for end in _END.finditer(text):
        found.append(text[start : end.end()].strip())
        start = end.end()
    found.append(text[start:].strip())
    return [sentence for sentence in found if sentence]
