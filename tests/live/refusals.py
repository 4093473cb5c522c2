"""Wrong requests, whose answers the kit compares; none of them is billed."""

from __future__ import annotations

import json
from collections.abc import Iterator
from typing import Any, Final

import attrs
import httpx

from live.checks import Check
from live.leftovers import rest_address
from live.target import Target
from speech_adapters.backends.batch.api import Api, Submission

__all__ = ["send_refusals"]

# An address that no service reads, with which a job that is accepted nevertheless fails.
_AUDIO: Final = "https://localhost/missing.wav"
_TOO_MANY: Final = 36
_UNKNOWN: Final = "00000000-0000-4000-8000-000000000000"
_WRONG_KEY: Final = "a-key-that-no-resource-has"


def send_refusals(target: Target, check: Check, run: str) -> int:
    """Send the wrong requests of a version; return their number.  Blocks.

    Raises:
        httpx.HTTPError: the service cannot be reached.
    """
    requests = list(_batch(check, run) if check.backend == "batch" else _fast(check))
    with httpx.Client(base_url=rest_address(target), timeout=60) as client:
        for wrong in requests:
            headers = {"Ocp-Apim-Subscription-Key": target.key, **wrong.get("headers", {})}
            client.request(**{**wrong, "headers": headers})
    return len(requests)


def _batch(check: Check, run: str) -> Iterator[dict[str, Any]]:
    api = Api(check.version)
    # Its display name is that of the run, so that a job that was accepted is deleted.
    submission = Submission(run, "f" * 32, (_AUDIO,), "en-US", 2, words=False, ttl_hours=6)
    post = {"method": "POST", "url": api.submit, "params": api.params}
    get = {"method": "GET", "params": api.params}
    yield {**get, "url": api.collection, "headers": {"Ocp-Apim-Subscription-Key": _WRONG_KEY}}
    yield {**get, "url": f"{api.collection}/{_UNKNOWN}"}
    yield {**get, "url": f"{api.collection}/{_UNKNOWN}/files"}
    yield {"method": "DELETE", "url": f"{api.collection}/{_UNKNOWN}", "params": api.params}
    yield {**post, "json": api.body(attrs.evolve(submission, max_speakers=_TOO_MANY))}
    if check.version != "v3.2":  # which accepts any time up to 31 days
        yield {**post, "json": api.body(attrs.evolve(submission, ttl_hours=1))}
    yield {**get, "url": api.collection, "params": {**api.params, "filter": "unknown eq 'x'"}}


def _fast(check: Check) -> Iterator[dict[str, Any]]:
    post = {
        "method": "POST",
        "url": "/transcriptions:transcribe",
        "params": {"api-version": check.version},
    }
    good = json.dumps({"locales": ["en-US"]})
    wrong = json.dumps({"locales": ["en-US"], "diarization": {"enabled": True, "maxSpeakers": 99}})
    key = {"Ocp-Apim-Subscription-Key": _WRONG_KEY}
    yield {**post, "files": _form(good, b""), "headers": key}
    yield {**post, "files": _form(good, b"")}
    yield {**post, "files": _form(wrong, b"RIFF")}


def _form(definition: str, audio: bytes) -> dict[str, tuple[str | None, str | bytes, str]]:
    return {
        "definition": (None, definition, "application/json"),
        "audio": ("audio.wav", audio, "audio/wav"),
    }
