"""The command ``backends``: what each backend can do, and which would serve a request."""

from __future__ import annotations

import argparse
import json
import sys
from dataclasses import asdict, dataclass
from typing import Any, Final

import attrs

from speech_adapters import threads
from speech_adapters.audio import PcmFormat
from speech_adapters.capabilities import Capabilities, gaps
from speech_adapters.config import Service, load_settings
from speech_adapters.contract import MeetingRequest, Mode
from speech_adapters.errors import SpeechError
from speech_adapters.masking import mask
from speech_adapters.meetings import MeetingService
from speech_adapters.recording.backend import RecordingBackend
from speech_adapters.registry import backend_names
from speech_compat.cli.service import with_service

__all__ = ["show_backends"]

_MODES: Final = {"live": Mode.LIVE, "async": Mode.STORED, "both": Mode.BOTH}
# A resource that does not exist.  What a backend can do depends on no credential, but without
# one it cannot be created; nothing is sent.
_STAND_IN: Final = {
    "service": Service.model_validate({"key": "stand-in", "endpoint": "https://stand-in.invalid"}),
    "backends": {
        "batch": {
            "storage_connection_string": "DefaultEndpointsProtocol=https;AccountName=standin;"
            "AccountKey=c3RhbmQtaW4=;EndpointSuffix=core.windows.net"
        },
        "shadow": {"primary": "local", "second": "batch"},
    },
}


@dataclass(frozen=True)
class _Answer:
    """What a backend can do, and whether it serves the request.

    Attributes:
        name: the backend.
        configured: whether the setting ``backend`` names it.
        serves: whether it would serve the request.
        reasons: why not; or what it would lose of the request.
        can: its capabilities; ``None`` if they are unknown, because its extra is missing.
    """

    name: str
    configured: bool
    serves: bool
    reasons: tuple[str, ...]
    can: dict[str, Any] | None


def show_backends(options: argparse.Namespace) -> int:
    """Write all backends to standard output; nothing is sent to a service.

    Returns:
        The exit code: 0, or 1 if no backend would serve the request.

    Raises:
        ConfigurationError: the settings cannot be read.
    """
    settings = load_settings()
    request = _request(options)

    async def work(meetings: MeetingService) -> list[_Answer]:
        async with MeetingService(settings.model_copy(update=_STAND_IN)) as assumed:
            return [
                await threads.COMPUTE.run(_answer, meetings, assumed, name, request)
                for name in backend_names()
            ]

    answers = with_service(work, settings)
    if options.json:
        sys.stdout.write(json.dumps([asdict(answer) for answer in answers], indent=2) + "\n")
    else:
        sys.stdout.write("".join(map(_text, answers)))
    return 0 if any(answer.serves for answer in answers) else 1


def _request(options: argparse.Namespace) -> MeetingRequest:
    phrases = ("phrase",) if options.phrases else ()
    return MeetingRequest(
        "request",
        PcmFormat(channels=options.channels),
        _MODES[options.mode],
        options.language,
        max_speakers=options.speakers,
        phrases=phrases,
        word_timestamps=options.words,
        addresses=("https://stand-in.invalid/audio.wav",) if options.addresses else (),
    )


def _answer(
    meetings: MeetingService, assumed: MeetingService, name: str, request: MeetingRequest
) -> _Answer:
    configured = name == meetings.settings.backend
    try:
        backend = meetings.backend(name)
        if request.mode.stored and isinstance(backend, RecordingBackend):
            backend.check(request)
    except SpeechError as error:
        capabilities = _assumed_capabilities(assumed, name)
        return _Answer(name, configured, False, (str(error),), _as_data(capabilities))
    missing = gaps(request, backend.capabilities)
    refused = [gap for gap in missing if gap.blocking or meetings.settings.strict]
    reasons = tuple(f"{gap.id}: {gap.reason} ({gap.way_out})" for gap in refused or missing)
    return _Answer(name, configured, not refused, reasons, _as_data(backend.capabilities))


def _assumed_capabilities(assumed: MeetingService, name: str) -> Capabilities | None:
    """Return what a backend can do whose options are missing, or wrong; the defaults count."""
    try:
        return assumed.backend(name).capabilities
    except SpeechError:  # its extra is missing
        return None


def _as_data(capabilities: Capabilities | None) -> dict[str, Any] | None:
    if capabilities is None:
        return None
    values = attrs.asdict(capabilities)
    return {n: sorted(v) if isinstance(v, frozenset) else v for n, v in values.items()}


def _text(answer: _Answer) -> str:
    name = f"{answer.name} (configured)" if answer.configured else answer.name
    verdict = "serves the request" if answer.serves else "does not serve the request"
    kind = "lost" if answer.serves else "why"
    lines = [f"{name}: {verdict}", *(f"  {kind}: {reason}" for reason in answer.reasons)]
    if answer.can is not None:
        lines.append(f"  can: {', '.join(filter(None, map(_capability, answer.can.items())))}")
    return mask("\n".join(lines)) + "\n"


def _capability(item: tuple[str, Any]) -> str:
    """Return a capability in words, or nothing for one that the backend has not."""
    name, value = item
    label = name.replace("_", " ")
    if value is None:  # only the capabilities that are limits
        return f"{label} without limit" if name != "languages" else "all languages"
    if value is True:
        return label
    shown = " ".join(value) if isinstance(value, list) else str(value)
    return f"{label} {shown}" if value else ""
