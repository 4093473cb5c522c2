"""Recordings in parts: what the service takes is mono, and not longer than it can tell apart.

A long recording is cut where it is quiet, one of several channels may be taken apart,
and the transcripts of the parts are put together again.  Where a part belongs stands in
the name of its audio, which the service repeats in the result: so the transcript can be
put together by whoever finds the job, without anything of this machine.
"""

from __future__ import annotations

import re
from collections.abc import Iterator, Sequence
from pathlib import Path
from typing import Final
from urllib.parse import unquote, urlsplit

import attrs

from speech_adapters.audio import PcmFormat, quietest_frame
from speech_adapters.azure.results import utterance_id
from speech_adapters.transcript import Provenance, Transcript, Utterance

__all__ = ["Part", "Piece", "joined", "part_name", "parts_of"]

# How much of the end of a part is searched for a quiet place.
_SEARCHED_SECONDS: Final = 600
_NAME: Final = re.compile(r"[0-9a-f]{32}\.(?P<start>\d+)\.(?P<channel>\d+|all)\.wav")
# The service's names for results of listed files (docs/protocol/batch-and-fast-rest.md, 2.6).
_GIVEN: Final = re.compile(r"contenturl_(?P<number>\d+)\.json")
_APART_IN_TIME: Final = (
    "The recording was sent in {} parts, cut where it was quiet: each part has speakers of its own."
)
_APART_BY_CHANNEL: Final = (
    "Each of {} channels was transcribed by itself: a voice on two channels is two speakers."
)
_CHANNEL_IS_SPEAKER: Final = "Each audio channel is taken for a speaker."


@attrs.frozen
class Part:
    """A piece of a recording: first frame, frames, and its only channel or ``None`` for all."""

    start: int
    frames: int
    channel: int | None = None

    def downmix(self, policy: str) -> str:
        """Give how the channels become one: by ``policy`` unless there is but one."""
        return policy if self.channel is None else f"channel:{self.channel}"


@attrs.frozen
class Piece:
    """The transcript of one audio file, its address or path, and its result's name."""

    source: str
    transcript: Transcript
    name: str = ""


def parts_of(
    audio: Path, frames: int, pcm: PcmFormat, *, longest: int, policy: str, by_channel: bool
) -> list[Part]:
    """Cut the first ``frames`` of a spool file into parts of at most ``longest`` frames."""
    starts = [0]
    while frames - starts[-1] > longest:
        last = starts[-1] + longest
        searched = min(_SEARCHED_SECONDS * pcm.sample_rate, longest // 2)
        starts.append(quietest_frame(audio, last - searched, last, pcm, policy))
    channels = range(pcm.channels) if by_channel and pcm.channels > 1 else (None,)
    ends = (*starts[1:], frames)
    return [
        Part(start, end - start, channel)
        for start, end in zip(starts, ends, strict=True)
        for channel in channels
    ]


def part_name(recording_id: str, part: Part, pcm: PcmFormat) -> str:
    """Give the name of a part's audio."""
    start = pcm.ticks(part.start * pcm.frame_bytes)
    return f"{recording_id}.{start}.{'all' if part.channel is None else part.channel}.wav"


def joined(pieces: Sequence[Piece], meeting_id: str, origin: Provenance) -> Transcript:
    """Put the transcripts of a job's files together.

    Files that are no parts of a recording are taken to follow one another as they were
    given, which the names of results tell, or in the order of their names.  Speakers are
    told apart within a file only, so those of different files have different numbers, by
    first appearance.
    """
    if len(pieces) == 1 and _place(pieces[0].source) in (None, (0, None)):
        return pieces[0].transcript
    placed = _placed(pieces)
    by_channel = _channels_are_speakers(placed)
    said = sorted(
        (item for piece in placed for item in _shifted(*piece)),
        key=lambda item: (item[1].offset, item[1].channel or 0),
    )
    numbers: dict[object, int] = {}
    utterances = tuple(
        attrs.evolve(
            utterance,
            id=utterance_id(meeting_id, index),
            speaker=_number(numbers, start, utterance, by_channel),
        )
        for index, (start, utterance) in enumerate(said)
    )
    length = max(start + transcript.duration for start, _, transcript in placed)
    emulated = tuple(_emulated(placed, by_channel))
    return Transcript(meeting_id, utterances, length, attrs.evolve(origin, emulated=emulated))


_Placed = tuple[int, int | None, Transcript]


def _placed(pieces: Sequence[Piece]) -> list[_Placed]:
    """Give start in ticks, channel and transcript of each."""
    places = [_place(piece.source) for piece in pieces]
    found = [
        (*place, piece.transcript)
        for place, piece in zip(places, pieces, strict=True)
        if place is not None
    ]
    if len(found) == len(pieces):
        return sorted(found, key=lambda piece: (piece[0], piece[1] or 0))
    start, following = 0, list[_Placed]()
    for piece in sorted(pieces, key=_turn):
        following.append((start, None, piece.transcript))
        start += piece.transcript.duration
    return following


def _turn(piece: Piece) -> tuple[int, str]:
    match = _GIVEN.fullmatch(piece.name)
    return int(match["number"]) if match else 0, urlsplit(piece.source).path


def _place(source: str) -> tuple[int, int | None] | None:
    match = _NAME.fullmatch(unquote(urlsplit(source).path).rsplit("/", 1)[-1])
    if match is None:
        return None
    return int(match["start"]), None if match["channel"] == "all" else int(match["channel"])


def _shifted(
    start: int, channel: int | None, transcript: Transcript
) -> Iterator[tuple[int, Utterance]]:
    for utterance in transcript.utterances:
        words = tuple(attrs.evolve(word, offset=word.offset + start) for word in utterance.words)
        heard_on = utterance.channel if channel is None else channel
        offset = utterance.offset + start
        yield start, attrs.evolve(utterance, offset=offset, channel=heard_on, words=words)


def _channels_are_speakers(placed: Sequence[_Placed]) -> bool:
    apart = any(transcript.speakers for _, _, transcript in placed)
    return not apart and len({channel for _, channel, _ in placed}) > 1


def _number(
    numbers: dict[object, int], start: int, utterance: Utterance, by_channel: bool
) -> int | None:
    if by_channel:
        return utterance.channel
    if utterance.speaker is None:
        return None
    return numbers.setdefault((start, utterance.channel, utterance.speaker), len(numbers))


def _emulated(placed: Sequence[_Placed], by_channel: bool) -> Iterator[str]:
    starts = {start for start, _, _ in placed}
    channels = {channel for _, channel, _ in placed}
    if by_channel:
        yield _CHANNEL_IS_SPEAKER
    elif len(channels) > 1:
        yield _APART_BY_CHANNEL.format(len(channels))
    if len(starts) > 1 and not by_channel:
        yield _APART_IN_TIME.format(len(starts))
