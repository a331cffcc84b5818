"""How a server is set up, apart from its models and its keys."""

import math
import re
from dataclasses import dataclass

from burnish.errors import UsageError

_PATH = re.compile(r"(/[^/\s?#\\]+)*/?")


@dataclass(frozen=True, slots=True, kw_only=True)
class Settings:
    """Limits of one server, and what it tells.

    Raises UsageError (BN103) where `root_path` is no path, or a time is no number of seconds.
    """

    max_queue: int = 256  # inputs that may wait for a model
    batch_tokens: int | None = None  # computed at once; None: what suits the model
    deadline_s: float = 60.0  # from a request's first byte to its answer
    body_bytes: int = 1 << 20
    drain_s: float = 0.0  # after SIGTERM, how long /readyz says so before the server closes
    refresh_s: float = 0.0  # how often models are looked up anew; 0: on SIGHUP alone
    origins: tuple[str, ...] = ()  # web pages from elsewhere that may ask (CORS)
    log_text: bool = False
    page: bool = True  # to try the models in a browser
    root_path: str = ""  # put before the paths of this server by a proxy

    def __post_init__(self) -> None:
        if not _PATH.fullmatch(self.root_path):
            raise UsageError(
                f"{self.root_path!r} is not a path",
                where="option --root-path",
                fix="begin it with one slash, as in `--root-path /tools/tickets`",
            )
        for option in ("deadline", "drain", "refresh"):
            seconds = getattr(self, f"{option}_s")
            if not math.isfinite(seconds):
                raise UsageError(
                    f"{seconds} is no number of seconds",
                    where=f"option --{option}",
                    fix=f"give a number; `--{option} 86400` is a day",
                )
