"""What the signs of a text may be."""


def is_whole(text: str) -> bool:
    """Return whether a text has no half of a character, which no file or answer can hold.

    JSON can write one, and bytes that are not UTF-8 arrive as such from the shell.
    """
    return text.isascii() or not any("\ud800" <= sign <= "\udfff" for sign in text)
