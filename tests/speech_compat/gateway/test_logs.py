from __future__ import annotations

import io
import json
import logging
from collections.abc import Iterator
from typing import Any

import pytest

from speech_compat.gateway.logs import configure_logs, log_request


@pytest.fixture
def stream() -> Iterator[io.StringIO]:
    """Configure the logs of this process, and restore them."""
    names = ("", "speech_compat.gateway", "uvicorn", "uvicorn.error", "uvicorn.access")
    loggers = [logging.getLogger(name) for name in (*names, "websockets", "asyncio")]
    levels = [logger.level for logger in loggers]
    handlers = logging.getLogger().handlers[:]
    stream = io.StringIO()
    configure_logs(stream)
    yield stream
    logging.getLogger().handlers[:] = handlers
    for logger, level in zip(loggers, levels, strict=True):
        logger.setLevel(level)


def lines(stream: io.StringIO) -> list[dict[str, Any]]:
    return [json.loads(line) for line in stream.getvalue().splitlines()]


def test_a_request_is_one_line_of_json(stream: io.StringIO) -> None:
    log_request(method="GET", route="/api/v1/offlinetask", status=200, ms=5, owner="alice")
    (line,) = lines(stream)
    assert line.pop("time").endswith("Z")
    assert line == {
        "level": "info",
        "logger": "speech_compat.gateway",
        "event": "request",
        "method": "GET",
        "route": "/api/v1/offlinetask",
        "status": 200,
        "ms": 5,
        "owner": "alice",
    }


def test_an_exception_is_its_class_and_its_place(stream: io.StringIO) -> None:
    try:
        int("what a client sent")
    except ValueError as error:
        log_request(logging.ERROR, error, status=500)
    (line,) = lines(stream)
    assert line["error"] == "ValueError"
    assert "test_logs.py" in line["trace"][0]
    assert "client sent" not in stream.getvalue()


@pytest.mark.parametrize(
    ("meeting", "shown"),
    [
        ("alice/weekly", "'alice/...'"),
        ("entra-0f/a 'quoted' \"one\" 🎉", "'entra-0f/...'"),
        ("bob.x_y-z/it's", '"bob.x_y-z/..."'),
        ("alice/two\nlines/and slashes", "'alice/...'"),
    ],
)
def test_the_id_of_a_stored_meeting_is_cut(stream: io.StringIO, meeting: str, shown: str) -> None:
    logging.getLogger("speech_adapters").error("Meeting %r failed: %s", meeting, "no reason")
    (line,) = lines(stream)
    assert line["event"] == f"Meeting {shown} failed: no reason"


def test_secrets_are_masked_and_lines_cannot_be_forged(stream: io.StringIO) -> None:
    logging.getLogger("other").warning(
        "from https://x.example/a?sig=abc\n{}",
    )
    assert len(stream.getvalue().splitlines()) == 1
    assert "abc" not in stream.getvalue()


def test_libraries_log_warnings_only(stream: io.StringIO) -> None:
    for name in ("uvicorn.error", "uvicorn.access", "websockets", "speech_adapters", "asyncio"):
        logging.getLogger(name).info("GET /?Ocp-Apim-Subscription-Key=secret")
    assert lines(stream) == []
    logging.getLogger("speech_compat.gateway").info("The gateway listens.")
    assert [line["event"] for line in lines(stream)] == ["The gateway listens."]
