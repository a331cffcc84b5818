"""What a server keeps for long is left out of Python's search for cycles of dead objects.

Libraries and models make half a million objects. Python looks for old cycles only when a quarter
as many are new, so those of requests would stay for a long time, and each search would hold all
requests up.
"""

import gc


def settle() -> None:
    """Collect what is dead, what was left out before too, and leave out all that lives now.

    Takes some tenths of a second: to be called when models have been loaded or let go.
    """
    gc.unfreeze()
    gc.collect()
    gc.freeze()
    # Python still waits for a quarter of what it saw the last time, until it sees the rest.
    gc.collect()
