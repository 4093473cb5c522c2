"""The number of speakers that Azure's services are to distinguish at most."""

from __future__ import annotations

from typing import Final

import attrs

from speech_adapters.request import MeetingRequest

__all__ = ["MOST_SPEAKERS", "SpeakerLimit", "speaker_limit"]

# The service refuses fewer and more (docs/protocol/batch-and-fast-rest.md, 2.2).
_FEWEST: Final = 2
MOST_SPEAKERS: Final = 35
_PARTICIPANTS: Final = (
    "No number of speakers was announced: at most {} were distinguished, as many as participants"
    " were added."
)
_DEFAULT: Final = (
    "No number of speakers was announced: at most {} were distinguished (option max_speakers)."
)
_ONE: Final = "{} speaker was announced, but the service distinguishes at least {}."


@attrs.frozen
class SpeakerLimit:
    """The largest number of speakers that is sent to the service.

    Attributes:
        count: 2 to 35.
        emulated: how it was chosen, if the program did not name it; part of the provenance.
    """

    count: int
    emulated: tuple[str, ...] = ()


def speaker_limit(request: MeetingRequest, default: int) -> SpeakerLimit:
    """Return the limit for a request with diarization.

    Args:
        request: its ``max_speakers``, or else the number of its participants, counts.
        default: the limit if neither is known.
    """
    announced = request.max_speakers
    if announced is not None:
        note = () if announced >= _FEWEST else (_ONE.format(announced, _FEWEST),)
        return SpeakerLimit(min(max(announced, _FEWEST), MOST_SPEAKERS), note)
    # One participant is no meeting: the others were not added.
    if request.participants >= _FEWEST:
        count = min(request.participants, MOST_SPEAKERS)
        return SpeakerLimit(count, (_PARTICIPANTS.format(count),))
    return SpeakerLimit(default, (_DEFAULT.format(default),))
