"""Fine-tune a language model on your own data and prove whether it is worth shipping."""

from importlib.metadata import version

__version__ = version("burnish")
