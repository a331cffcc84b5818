"""Keep libraries from writing to the terminal what the user did not ask for."""

import logging
import warnings
from collections.abc import Iterator
from contextlib import contextmanager


@contextmanager
def quiet() -> Iterator[None]:
    """Keep transformers' own messages and progress bars off the terminal."""
    from transformers.utils import logging as own_logging

    level, bars = own_logging.get_verbosity(), own_logging.is_progress_bar_enabled()
    own_logging.set_verbosity_error()
    own_logging.disable_progress_bar()
    try:
        yield
    finally:
        own_logging.set_verbosity(level)
        if bars:
            own_logging.enable_progress_bar()


@contextmanager
def quiet_lightning() -> Iterator[None]:
    """Keep Lightning's advice and hardware lines off the terminal."""
    names = ("lightning.pytorch", "lightning.fabric", "lightning.pytorch.utilities.rank_zero")
    before = {name: logging.getLogger(name).level for name in names}
    for name in names:
        logging.getLogger(name).setLevel(logging.ERROR)
    try:
        with warnings.catch_warnings():
            warnings.filterwarnings("ignore", module="lightning")
            yield
    finally:
        for name, level in before.items():
            logging.getLogger(name).setLevel(level)
