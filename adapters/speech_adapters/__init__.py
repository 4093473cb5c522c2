"""Backends of speech-compat, and the contract between them and their users.

The legacy names do not occur in this package.  Importing it loads no backend and
no third-party library but attrs.
"""

from __future__ import annotations

# The first import, because the others fail with a Python that is too old.
from speech_adapters import _python_version, masking  # noqa: F401
from speech_adapters.audio import PcmFormat
from speech_adapters.capabilities import Capabilities, gaps
from speech_adapters.contract import (
    Attendee,
    Backend,
    Hypothesis,
    JobState,
    MeetingRequest,
    MeetingStatus,
    Mode,
    NoMatch,
    Origin,
    Progress,
    Recognized,
    Session,
    SessionEvent,
    SpeechEnded,
    SpeechStarted,
)
from speech_adapters.gap import Gap, GapWarning
from speech_adapters.transcript import (
    TICKS_PER_SECOND,
    LabelStyle,
    Provenance,
    Transcript,
    Utterance,
    Word,
)

__all__ = [
    "TICKS_PER_SECOND",
    "Attendee",
    "Backend",
    "Capabilities",
    "Gap",
    "GapWarning",
    "Hypothesis",
    "JobState",
    "LabelStyle",
    "MeetingRequest",
    "MeetingStatus",
    "Mode",
    "NoMatch",
    "Origin",
    "PcmFormat",
    "Progress",
    "Provenance",
    "Recognized",
    "Session",
    "SessionEvent",
    "SpeechEnded",
    "SpeechStarted",
    "Transcript",
    "Utterance",
    "Word",
    "gaps",
]

masking.mask_logger(__name__)
