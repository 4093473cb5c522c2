"""Recordings in chunks: the service transcribes mono files of a limited length.

A long recording is cut where it is quiet, its channels may be sent separately, and the
transcripts of the chunks are merged.  The name of a chunk's blob states its place in the
recording, and the service repeats that name in the result.  So any process that finds the
job can merge its results without the state of the machine that recorded the meeting.
"""

from __future__ import annotations

import heapq
import re
from collections.abc import Iterator, Sequence
from datetime import timedelta
from functools import partial
from pathlib import Path
from typing import Final
from urllib.parse import unquote

import attrs

from speech_adapters.audio import PcmFormat, quietest_frame
from speech_adapters.azure.results import CHANNEL_IS_SPEAKER, utterance_id
from speech_adapters.backends.batch.api import without_query
from speech_adapters.masking import masked_repr
from speech_adapters.transcript import (
    AnyTranscript,
    Provenance,
    Reread,
    StreamedTranscript,
    Transcript,
    Utterance,
    seconds,
)

__all__ = [
    "LARGEST_BYTES",
    "LONGEST_SECONDS",
    "Chunk",
    "ChunkTranscript",
    "audio_name",
    "blob_name",
    "cut",
    "describe_place",
    "is_chunk",
    "merge",
]

# Both are limits of one audio file (docs/protocol/batch-and-fast-rest.md, 2.5); the first
# applies only if speakers are distinguished.
LONGEST_SECONDS: Final = 240 * 60
LARGEST_BYTES: Final = 1_000_000_000
# How much of the end of a chunk is searched for a quiet place.
_SEARCHED_SECONDS: Final = 600
_BLOB_NAME: Final = re.compile(
    r"[0-9a-f]{32}\.(?P<start>\d{1,18})\.(?P<channel>\d{1,5}|all)\.[a-z0-9]{3,4}"
)
# Names of results of files submitted as a list (docs/protocol/batch-and-fast-rest.md, 2.6).
_RESULT_NAME: Final = re.compile(r"contenturl_(?P<number>\d{1,9})\.json")
_CUT_IN_TIME: Final = (
    "The recording was sent in {} parts, cut where it was quiet: each part has speakers of its own."
)
_SPLIT_BY_CHANNEL: Final = (
    "Each of {} channels was transcribed by itself: a voice on two channels is two speakers."
)


@attrs.frozen
class Chunk:
    """A part of a recording that is sent as one file.

    Attributes:
        start: the first sample frame.
        frames: the number of frames.
        channel: the only channel that is sent, or ``None`` for a downmix of all.
        suffix: that of the file: ``wav``, or that of a compressed file.
        encoded: whether the compressed file is made from the recording; otherwise it is the one
            that the whole recording was decoded from.
    """

    start: int
    frames: int
    channel: int | None = None
    suffix: str = "wav"
    encoded: bool = False

    def as_wav(self) -> Chunk:
        """Return the chunk that is sent as WAV."""
        return attrs.evolve(self, suffix="wav", encoded=False)

    def as_flac(self) -> Chunk:
        """Return the chunk that is sent as FLAC; an empty one has nothing to encode."""
        return attrs.evolve(self, suffix="flac", encoded=True) if self.frames else self

    def downmix(self, policy: str) -> str:
        """Return the policy that makes this chunk mono; ``policy`` mixes several channels."""
        return policy if self.channel is None else f"channel:{self.channel}"


@attrs.frozen
class ChunkTranscript:
    """The transcript of one audio file.

    Attributes:
        source: address or path of the audio; it may be signed.
        transcript: the transcript, with offsets from the start of the file.
        name: the name of the result file at the service.
    """

    source: str = attrs.field(repr=masked_repr)
    transcript: AnyTranscript
    name: str = ""


def cut(
    audio: Path, frames: int, pcm: PcmFormat, *, longest: int, policy: str, by_channel: bool
) -> tuple[Chunk, ...]:
    """Cut the first ``frames`` of a spool file into chunks of at most ``longest`` frames.

    Reads the audio around each cut, so it blocks.

    Args:
        audio: the spool file.
        frames: how many frames it has.
        pcm: its format.
        longest: the largest number of frames of a chunk.
        policy: the downmix, because the quiet place must be quiet in the audio that is sent.
        by_channel: whether each channel becomes a chunk of its own.
    """
    starts = [0]
    while frames - starts[-1] > longest:
        last = starts[-1] + longest
        # At most half of a chunk, so that every cut advances.
        searched = min(_SEARCHED_SECONDS * pcm.sample_rate, longest // 2)
        starts.append(quietest_frame(audio, last - searched, last, pcm, policy))
    channels = range(pcm.channels) if by_channel and pcm.channels > 1 else (None,)
    ends = (*starts[1:], frames)
    return tuple(
        Chunk(start, end - start, channel)
        for start, end in zip(starts, ends, strict=True)
        for channel in channels
    )


def blob_name(recording_id: str, chunk: Chunk, pcm: PcmFormat) -> str:
    """Return the name of a chunk's blob: recording, start in ticks, and channel."""
    start = pcm.ticks(chunk.start * pcm.frame_bytes)
    channel = "all" if chunk.channel is None else chunk.channel
    return f"{recording_id}.{start}.{channel}.{chunk.suffix}"


def merge(
    parts: Sequence[ChunkTranscript], meeting_id: str, provenance: Provenance
) -> AnyTranscript:
    """Merge the transcripts of a job's files into one.

    Files that are no chunks of a recording follow one another in the order in which they
    were submitted, which the names of their results state, or else in the order of their
    own names.  The service distinguishes speakers within a file only.  Therefore speakers
    of different files get different numbers, by first appearance.  The result is in memory if all
    parts are.
    """
    if len(parts) == 1 and _place_of(parts[0].source) in (None, (0, None)):
        return parts[0].transcript
    placed = _place(parts)
    by_channel = _channels_are_speakers(placed)
    duration = max(start + transcript.duration for start, _, transcript in placed)
    emulated = (*provenance.emulated, *_emulated(placed, by_channel))
    merged = StreamedTranscript(
        meeting_id,
        Reread(partial(_merge, placed, meeting_id, by_channel)),
        duration,
        attrs.evolve(provenance, emulated=emulated),
    )
    in_memory = all(isinstance(transcript, Transcript) for _, _, transcript in placed)
    return merged.load() if in_memory else merged


def _merge(placed: Sequence[_Placed], meeting_id: str, by_channel: bool) -> Iterator[Utterance]:
    """Yield the utterances of all parts by time."""
    shifted = heapq.merge(*(_shift(*part) for part in placed), key=_by_time)
    numbers: dict[object, int] = {}
    for index, (start, utterance) in enumerate(shifted):
        yield attrs.evolve(
            utterance,
            # The ids of different files are equal, because each file counts from zero.
            id=utterance_id(meeting_id, index),
            speaker=_number(numbers, start, utterance, by_channel),
        )


def _by_time(item: tuple[int, Utterance]) -> tuple[int, int]:
    return item[1].offset, item[1].channel or 0


def audio_name(source: str) -> str:
    """Return the last part of an address or path of audio, such as the name of a blob."""
    return unquote(without_query(source)).rsplit("/", 1)[-1]


def is_chunk(source: str) -> bool:
    """Return whether an address of audio is that of a chunk of a recording."""
    return _place_of(source) is not None


def describe_place(source: str) -> str:
    """Return which part of a meeting an address of audio belongs to, for people."""
    place = _place_of(source)
    if place is None:
        return "The audio of one address"
    start = f"The part that starts at {timedelta(seconds=int(seconds(place[0])))}"
    return start if place[1] is None else f"{start} of channel {place[1]}"


# Start in ticks, channel, and the transcript.
_Placed = tuple[int, int | None, AnyTranscript]


def _place(parts: Sequence[ChunkTranscript]) -> list[_Placed]:
    places = [_place_of(part.source) for part in parts]
    found = [
        (*place, part.transcript)
        for place, part in zip(places, parts, strict=True)
        if place is not None
    ]
    if len(found) == len(parts):
        return sorted(found, key=lambda part: (part[0], part[1] or 0))
    start, following = 0, list[_Placed]()
    for part in sorted(parts, key=_order):
        following.append((start, None, part.transcript))
        start += part.transcript.duration
    return following


def _order(part: ChunkTranscript) -> tuple[int, str]:
    match = _RESULT_NAME.fullmatch(part.name)
    return int(match["number"]) if match else 0, without_query(part.source)


def _place_of(source: str) -> tuple[int, int | None] | None:
    """Return start and channel of a chunk's blob, or ``None`` for audio of the program."""
    match = _BLOB_NAME.fullmatch(audio_name(source))
    if match is None:
        return None
    return int(match["start"]), None if match["channel"] == "all" else int(match["channel"])


def _shift(
    start: int, channel: int | None, transcript: AnyTranscript
) -> Iterator[tuple[int, Utterance]]:
    """Yield the utterances with offsets from the start of the recording."""
    for utterance in transcript.utterances:
        words = tuple(attrs.evolve(word, offset=word.offset + start) for word in utterance.words)
        own_channel = utterance.channel if channel is None else channel
        offset = utterance.offset + start
        yield start, attrs.evolve(utterance, offset=offset, channel=own_channel, words=words)


def _channels_are_speakers(placed: Sequence[_Placed]) -> bool:
    diarized = any(u.speaker is not None for _, _, found in placed for u in found.utterances)
    return not diarized and len({channel for _, channel, _ in placed}) > 1


def _number(
    numbers: dict[object, int], start: int, utterance: Utterance, by_channel: bool
) -> int | None:
    # The service's number means nothing outside of its file; a channel is the same in all.
    key: object = (start, utterance.channel, utterance.speaker)
    if by_channel:
        key = utterance.channel
    elif utterance.speaker is None:
        return None
    return numbers.setdefault(key, len(numbers))


def _emulated(placed: Sequence[_Placed], by_channel: bool) -> Iterator[str]:
    starts = {start for start, _, _ in placed}
    channels = {channel for _, channel, _ in placed}
    if by_channel:
        yield CHANNEL_IS_SPEAKER
    elif len(channels) > 1:
        yield _SPLIT_BY_CHANNEL.format(len(channels))
    if len(starts) > 1 and not by_channel:
        yield _CUT_IN_TIME.format(len(starts))
