"""Options for the text of a transcript, as values of Azure's REST services."""

from __future__ import annotations

from typing import Final

from speech_adapters.request import MeetingRequest

__all__ = ["candidate_locales", "profanity_mode"]

# By the names of the Speech SDK; the service's default is Masked
# (docs/protocol/batch-and-fast-rest.md, 2.2).
_PROFANITY: Final = {"masked": "Masked", "removed": "Removed", "raw": "None"}


def profanity_mode(request: MeetingRequest) -> str:
    """Return the value of ``profanityFilterMode``, or an empty text for the default."""
    return _PROFANITY.get(request.settings.get("profanity", "").lower(), "")


def candidate_locales(request: MeetingRequest) -> tuple[str, ...]:
    """Return the languages of which the service detects the spoken one; none for one language."""
    return tuple(tag for tag, _ in request.languages) if len(request.languages) > 1 else ()
