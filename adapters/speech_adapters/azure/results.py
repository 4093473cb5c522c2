"""Result files of the batch and fast services, parsed into utterances.

A batch result has the array ``recognizedPhrases``, a fast result ``phrases``;
:mod:`.result_phrases` reads the phrases.  They may be grouped by channel, and are put in the
order of time.

A file above 4 MB never becomes objects as a whole unless a transcript in memory is asked for:
:mod:`.result_windows` reads its phrases in parts.  A document of an unusual form, or a damaged
one, is decoded as a whole in any case, and so is one whose phrases are in no order at all.

::

    file ──windows──▶ phrases ──▶ Transcript             in memory, one pass
      └──▶ index: runs in the order of time, channels
                └──windows, merged──▶ StreamedTranscript  constant memory, a pass for each use
"""

from __future__ import annotations

import heapq
import mmap
from collections import defaultdict
from collections.abc import Iterable, Iterator, Sequence
from contextlib import contextmanager, suppress
from functools import partial
from itertools import count, islice
from operator import attrgetter, lt
from pathlib import Path
from typing import TYPE_CHECKING, Any, Final

import attrs
import msgspec

from speech_adapters.azure.collector import collector_paused
from speech_adapters.azure.result_phrases import (
    ParsedPhrase,
    PhraseDecoder,
    decode_phrase,
    ticks_of,
)
from speech_adapters.azure.result_windows import PhraseArray, UnusualFormError, release_pages
from speech_adapters.errors import BackendError
from speech_adapters.transcript import (
    AnyTranscript,
    Provenance,
    Reread,
    StreamedTranscript,
    Transcript,
    Utterance,
)

if TYPE_CHECKING:
    from hashlib import md5
else:
    # Python's own implementation takes half the time of that of OpenSSL for a short text.
    try:
        from _md5 import md5
    except ImportError:  # Python was built without it
        from hashlib import md5

__all__ = [
    "CHANNEL_IS_SPEAKER",
    "open_result",
    "read_result",
    "read_source",
    "result_transcript",
    "utterance_id",
]

# A note for the provenance.
CHANNEL_IS_SPEAKER: Final = "Each audio channel is taken for a speaker."
_NO_PHRASES: Final = (
    'is no result of batch or fast transcription: it has neither "recognizedPhrases" nor "phrases".'
)
# Number of phrases after which the pages of a mapped file are released.
_PHRASES_PER_RELEASE: Final = 2_000
# A smaller file is read into memory, which is faster.
_SMALL_BYTES: Final = 4 * 1024 * 1024
# Each run in the order of time, such as that of a channel, is read with a window of its own.
_MOST_RUNS: Final = 32
_BOM: Final = b"\xef\xbb\xbf"


class _Document(msgspec.Struct, rename="camel"):
    recognized_phrases: list[msgspec.Raw] | None = None
    phrases: list[msgspec.Raw] | None = None
    duration: str | float | None = None
    duration_in_ticks: float | None = None
    duration_ticks: float | None = None  # seen in files of Microsoft's own tests
    duration_milliseconds: float | None = None


class _SourceOnly(msgspec.Struct):
    source: str | None = None


# Nested arrays of any depth are valid JSON, so the depth is no msgspec error.
_UNREADABLE: Final = (msgspec.MsgspecError, UnicodeDecodeError, RecursionError)
_decode_source: Final = msgspec.json.Decoder(_SourceOnly).decode
_decode_document: Final = msgspec.json.Decoder(_Document).decode


def read_result(path: Path, meeting_id: str, provenance: Provenance, name: str = "") -> Transcript:
    """Return the transcript in a result file.

    Args:
        path: the file.
        meeting_id: id of the meeting that the transcript belongs to.
        provenance: backend and service that made the result.
        name: subject of error messages; the path if empty.

    Raises:
        BackendError: the file cannot be read or is no result.
    """
    name = name or str(path)
    with _mapped_file(path, name) as data, collector_paused():
        return result_transcript(data, meeting_id, provenance, name)


@contextmanager
def _mapped_file(path: Path, name: str) -> Iterator[mmap.mmap]:
    try:
        with path.open("rb") as file:
            if not path.stat().st_size:
                raise BackendError(f"{name} is empty: there is no result in it.")
            data = mmap.mmap(file.fileno(), 0, access=mmap.ACCESS_READ)
            try:
                yield data
            finally:
                # An error on its way out may still refer to the content, which is then
                # closed with it.
                with suppress(BufferError):
                    data.close()
    except OSError as error:
        raise BackendError(f"{name} cannot be read: {error.strerror or error}.") from error


def read_source(path: Path) -> str:
    """Return the address or path of the audio of a result file; it may hold a signature.

    Raises:
        BackendError: the file is no JSON document.
    """
    problem = ""
    with _mapped_file(path, "The service's result") as data:
        try:
            return _decode_source(_without_bom(data)).source or ""
        except _UNREADABLE as error:  # raised below: see result_transcript
            problem = str(error)
    raise BackendError(f"The service's result is no transcription result: {problem}.")


def utterance_id(meeting_id: str, index: int) -> str:
    """Return the id of an utterance: the same each time a result is read."""
    return md5(f"{meeting_id}:{index}".encode(), usedforsecurity=False).hexdigest()


def result_transcript(
    data: bytes | mmap.mmap, meeting_id: str, provenance: Provenance, name: str = "The result"
) -> Transcript:
    """Return the transcript of a result: utterances by time, speakers by first appearance.

    If the result has several channels and no speakers, each channel becomes a speaker, and
    the provenance notes it.

    Args:
        data: the JSON document.
        meeting_id: id of the meeting that the transcript belongs to.
        provenance: backend and service that made the result.
        name: subject of error messages.

    Raises:
        BackendError: the document is no result of the batch or fast service.
    """
    problem = _NO_PHRASES
    try:
        parsed = _parse(data)
    except _UNREADABLE as error:
        # Raised below: the frames of this error refer to the data, so that the mapped file
        # could not be closed.
        problem = f"is no transcription result: {error}."
    else:
        if parsed is not None:
            return _transcript(*parsed, meeting_id, provenance)
    raise BackendError(f"{name} {problem}")


def _parse(data: bytes | mmap.mmap) -> tuple[list[ParsedPhrase], int | None] | None:
    """Return phrases by time and the audio's length in ticks; ``None`` without phrases."""
    try:
        phrases, duration = _parse_in_windows(data)
    except (UnusualFormError, *_UNREADABLE):
        # Damaged, or in a form that no service writes: slower, and it names the defect.
        document = _decode_document(_without_bom(data))
        raw = document.recognized_phrases
        raw = document.phrases if raw is None else raw
        if raw is None:
            return None
        phrases, duration = list(_parse_phrases(raw, data)), _duration(document)
    offsets = [phrase.offset for phrase in phrases]
    # The services write them in this order, and a check of that is faster than sorting.
    if not all(map(lt, offsets, islice(offsets, 1, None))):
        phrases.sort(key=_by_time)
    return phrases, duration


def _parse_in_windows(data: bytes | mmap.mmap) -> tuple[list[ParsedPhrase], int | None]:
    array, phrases = PhraseArray(data), list[ParsedPhrase]()
    for window in array.windows(PhraseDecoder().decode):
        phrases += window.phrases
    return phrases, _duration_beside(array)


def _duration_beside(array: PhraseArray) -> int | None:
    """Return the duration that stands beside the phrases, all of which were read."""
    document = _decode_document(array.rest())
    if document.recognized_phrases or document.phrases:  # a name with escapes
        raise UnusualFormError
    return _duration(document)


def _by_time(phrase: ParsedPhrase) -> tuple[int, int]:
    return phrase.offset, phrase.channel or 0


def _without_bom(data: bytes | mmap.mmap) -> memoryview:
    return memoryview(data)[len(_BOM) if data[: len(_BOM)] == _BOM else 0 :]


def _parse_phrases(phrases: list[msgspec.Raw], data: bytes | mmap.mmap) -> Iterator[ParsedPhrase]:
    for number, raw in enumerate(phrases):
        if number % _PHRASES_PER_RELEASE == 0:
            release_pages(data)
        phrase = decode_phrase(raw)
        if phrase is not None:
            yield phrase


def _duration(document: _Document) -> int | None:
    ticks = document.duration_in_ticks
    return ticks_of(
        document.duration_ticks if ticks is None else ticks,
        document.duration_milliseconds,
        document.duration,
    )


def _transcript(
    phrases: list[ParsedPhrase], duration: int | None, meeting_id: str, provenance: Provenance
) -> Transcript:
    speakers = _Speakers()
    speakers.add(phrases)
    utterances = tuple(speakers.utterances(phrases, meeting_id))
    return Transcript(
        meeting_id,
        utterances,
        speakers.end if duration is None else duration,
        speakers.note(provenance),
    )


@attrs.define
class _Speakers:
    """What has to be known of all phrases before the first one becomes an utterance.

    If there are several channels and no speakers, each channel is a speaker.

    Attributes:
        channels: those of all phrases.
        any: whether a phrase has a speaker.
        end: the latest end of a phrase, in ticks.
    """

    channels: set[int | None] = attrs.Factory(set)
    any: bool = False
    end: int = 0

    def add(self, phrases: Sequence[ParsedPhrase]) -> None:
        """Update the attributes with further phrases."""
        self.channels |= {phrase.channel for phrase in phrases}
        self.any = self.any or any(phrase.speaker is not None for phrase in phrases)
        self.end = max([self.end, *[phrase.offset + phrase.duration for phrase in phrases]])

    def note(self, provenance: Provenance) -> Provenance:
        """Return the provenance, with a note if each channel is a speaker."""
        if len(self.channels) <= 1 or self.any:
            return provenance
        return attrs.evolve(provenance, emulated=(*provenance.emulated, CHANNEL_IS_SPEAKER))

    def utterances(self, phrases: Iterable[ParsedPhrase], meeting_id: str) -> Iterator[Utterance]:
        """Yield the utterances of phrases by time; speakers are numbered by first appearance."""
        several = len(self.channels) > 1
        key_of = _SPEAKER if not several else _channel_and_speaker if self.any else _CHANNEL
        # A key that is new gets the next number.
        numbers: dict[Any, int | None] = defaultdict(count().__next__, {None: None})
        prefix = f"{meeting_id}:".encode()
        # Of a long meeting there are hundreds of thousands: no call that can be saved is made.
        for index, phrase in enumerate(phrases):
            yield Utterance(
                md5(b"%b%d" % (prefix, index), usedforsecurity=False).hexdigest(),
                phrase.text,
                phrase.offset,
                phrase.duration,
                numbers[key_of(phrase)],
                phrase.channel if several else None,
                phrase.language,
                phrase.words,
            )


# What identifies a speaker.
_SPEAKER: Final = attrgetter("speaker")
_CHANNEL: Final = attrgetter("channel")


def _channel_and_speaker(phrase: ParsedPhrase) -> tuple[int | None, int] | None:
    """Return what identifies a speaker: the service numbers the speakers of each channel anew."""
    return None if phrase.speaker is None else (phrase.channel, phrase.speaker)


# --- results of any length -----------------------------------------------------------------


def open_result(
    path: Path, meeting_id: str, provenance: Provenance, name: str = ""
) -> AnyTranscript:
    """Return the transcript in a result file, in memory only if it is small.

    The file must stay as it is while the transcript is used.  All of it is checked first.

    Args: those of :func:`read_result`.

    Raises:
        BackendError: the file cannot be read or is no result.
    """
    with suppress(UnusualFormError, *_UNREADABLE), _mapped_file(path, name or str(path)) as data:
        if len(data) > _SMALL_BYTES:
            index = _Index.of(data)
            read = partial(_read_utterances, path, name or str(path), index, meeting_id)
            return StreamedTranscript(
                meeting_id, Reread(read), index.duration, index.speakers.note(provenance)
            )
    return read_result(path, meeting_id, provenance, name)


@attrs.frozen
class _Index:
    """What one pass over a file has found.

    Attributes:
        windows: positions of all windows in the file.
        runs: the phrases in runs by time: window and number within it of the first phrase.
        speakers: channels and speakers.
        duration: length of the audio in ticks.
    """

    windows: Sequence[tuple[int, int]]
    runs: Sequence[tuple[int, int]]
    speakers: _Speakers
    duration: int

    @classmethod
    def of(cls, data: mmap.mmap) -> _Index:
        """Index a file.

        Raises:
            UnusualFormError: the phrases are in no order.
            UnusualFormError, ValueError: see :class:`PhraseArray`.
        """
        array, speakers = PhraseArray(data), _Speakers()
        windows: list[tuple[int, int]] = []
        runs: list[tuple[int, int]] = []
        before = (-1, 0)
        for window in array.windows(partial(PhraseDecoder().decode, words=False)):
            speakers.add(window.phrases)
            for number, phrase in enumerate(window.phrases):
                if (key := _by_time(phrase)) < before or not runs:
                    runs.append((len(windows), number))
                    if len(runs) > _MOST_RUNS:
                        raise UnusualFormError
                before = key
            windows.append((window.start, window.end))
        duration = _duration_beside(array)
        return cls(windows, runs, speakers, speakers.end if duration is None else duration)

    def phrases(self, data: mmap.mmap) -> Iterator[ParsedPhrase]:
        """Yield all phrases by time; equal ones in the order of the file, as a sort would."""
        ends = [*self.runs[1:], (len(self.windows), 0)]
        runs = [self._run(data, *run) for run in zip(self.runs, ends, strict=True)]
        return runs[0] if len(runs) == 1 else heapq.merge(*runs, key=_by_time)

    def _run(
        self, data: mmap.mmap, begin: tuple[int, int], end: tuple[int, int]
    ) -> Iterator[ParsedPhrase]:
        decoder = PhraseDecoder()
        last = end[0] + (end[1] > 0)
        for number in range(begin[0], last):
            start, stop = self.windows[number]
            phrases = decoder.decode(b"[" + data[start:stop] + b"]")
            release_pages(data)
            first = begin[1] if number == begin[0] else 0
            yield from phrases[first : end[1] if number == end[0] else None]


def _read_utterances(path: Path, name: str, index: _Index, meeting_id: str) -> Iterator[Utterance]:
    if index.runs:
        with _mapped_file(path, name) as data:
            yield from index.speakers.utterances(index.phrases(data), meeting_id)
