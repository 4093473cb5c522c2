"""Where what this backend transcribes comes from."""

from __future__ import annotations

from importlib.metadata import version

from speech_adapters.backends.realtime.options import NAME
from speech_adapters.transcript import Provenance

__all__ = ["origin"]


def origin() -> Provenance:
    """Give the provenance, without what was estimated in a meeting."""
    sdk = version("azure-cognitiveservices-speech")
    return Provenance(NAME, f"Azure real-time diarization, Speech SDK {sdk}")
