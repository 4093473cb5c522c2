"""Logs of the gateway: one JSON object per line, without personal data.

A line has ``time``, ``level`` and ``event``; a request also ``method``, ``route`` (the template,
never the address), ``status``, ``ms``, ``owner`` and ``request``.  What a client chose, such as
an id of a meeting, is in no line.
"""

from __future__ import annotations

import json
import logging
import re
import sys
import traceback
from datetime import UTC, datetime
from typing import Any, Final, TextIO

from speech_adapters.masking import mask

__all__ = ["JsonFormatter", "configure_logs", "log_request"]

_logger = logging.getLogger("speech_compat.gateway")

# A stored id, OWNER/ID, where a message quotes it as `repr` does.  The owner remains.
_STORED_ID: Final = re.compile(
    r"""(?P<quote>['"])(?P<owner>[\w.-]+)/(?:\\.|(?!(?P=quote)).)*(?P=quote)""", re.DOTALL
)
# These log requests and frames as they are at lower levels.
_QUIET: Final = ("uvicorn", "uvicorn.error", "uvicorn.access", "websockets", "asyncio")
_FIELDS: Final = "speech_compat_fields"


class JsonFormatter(logging.Formatter):
    """Formats records as JSON; of an exception only its type and where it was raised.

    The message of an exception may quote what a client sent.
    """

    def format(self, record: logging.LogRecord) -> str:
        """Return the line of a record."""
        moment = datetime.fromtimestamp(record.created, UTC)
        line: dict[str, Any] = {
            "time": moment.isoformat(timespec="milliseconds").replace("+00:00", "Z"),
            "level": record.levelname.lower(),
            "logger": record.name,
            "event": _STORED_ID.sub(r"\g<quote>\g<owner>/...\g<quote>", mask(record.getMessage())),
        }
        line.update(getattr(record, _FIELDS, {}))
        error = record.exc_info[1] if record.exc_info else None
        if error is not None:
            line["error"] = type(error).__name__
            line["trace"] = [
                f"{frame.filename}:{frame.lineno} {frame.name}"
                for frame in traceback.extract_tb(error.__traceback__)
            ]
        return json.dumps(line)


def configure_logs(stream: TextIO | None = None) -> None:
    """Write all logs of this process as JSON lines.

    Args:
        stream: where to; standard error by default.
    """
    handler = logging.StreamHandler(stream or sys.stderr)
    handler.setFormatter(JsonFormatter())
    root = logging.getLogger()
    root.handlers[:] = [handler]
    root.setLevel(logging.WARNING)
    _logger.setLevel(logging.INFO)
    for name in _QUIET:
        logging.getLogger(name).setLevel(logging.WARNING)


def log_request(
    level: int = logging.INFO, error: BaseException | None = None, **fields: Any
) -> None:
    """Log a request that has ended.

    Args:
        level: the level of the line.
        error: the exception that ended it.
        fields: method, route, status, ...
    """
    info = None if error is None else (type(error), error, error.__traceback__)
    _logger.log(level, "request", exc_info=info, extra={_FIELDS: fields})
