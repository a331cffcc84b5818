"""What a server writes to its log: one JSON object a line, on standard error.

Texts of users are left out unless they are asked for.
"""

import json
import logging
import sys
from datetime import UTC, datetime
from typing import Any

NAME = "burnish.serving"
_log = logging.getLogger(NAME)


class JsonLines(logging.Formatter):
    """Writes a record as one JSON object: time, level, event, and what is told with it."""

    def format(self, record: logging.LogRecord) -> str:
        """Return the line; never more than one."""
        told: dict[str, Any] = {
            "time": datetime.fromtimestamp(record.created, UTC).isoformat(timespec="milliseconds"),
            "level": record.levelname.lower(),
            "event": record.getMessage(),
        }
        told |= getattr(record, "told", {})
        if record.exc_info:
            told["exception"] = self.formatException(record.exc_info)
        return json.dumps(told, default=str)


def log_to_stderr() -> None:
    """Send the server's log, and what uvicorn tells, to standard error."""
    handler = logging.StreamHandler(sys.stderr)
    handler.setFormatter(JsonLines())
    for name, level in ((NAME, logging.INFO), ("uvicorn", logging.WARNING)):
        logger = logging.getLogger(name)
        logger.handlers, logger.propagate = [handler], False
        logger.setLevel(level)


def tell(event: str, **told: Any) -> None:
    """Write a line."""
    _log.info(event, extra={"told": told})


def tell_failure(event: str, **told: Any) -> None:
    """Write a line with the exception that is being handled."""
    _log.error(event, extra={"told": told}, exc_info=True)
