"""A transcript as one HTML page that needs no other file, no network and no server.

The page has a lane for each speaker, the text, a search, and a player for the recording: the
recording is in the page, or the reader opens it from the disk.  Text and timeline are there
without JavaScript too.

A transcript may contain anything, so its text is escaped, and the page's policy permits only
the style and the script that are in the page, by their digests.
"""

from __future__ import annotations

import base64
from collections.abc import Iterable, Iterator, Sequence
from html import escape
from pathlib import Path
from typing import Final

import attrs

from speech_adapters.audio.containers import HEAD_BYTES, MEDIA_TYPES, recognize_kind
from speech_adapters.errors import AudioError
from speech_adapters.export.html_pages import VOICES, fill_page
from speech_adapters.export.lines import by_offset, one_line, texts
from speech_adapters.transcript import AnyTranscript, LabelStyle, Utterance, seconds

__all__ = ["MOST_AUDIO_BYTES", "render_page", "write_page"]

# Browsers read texts of half a gigabyte at most, and base64 adds a third.
MOST_AUDIO_BYTES: Final = 256 * 2**20
# Width of the drawing in its own units, and of its narrowest part.
_WIDTH: Final = 1000
_NARROWEST: Final = 1.5
_MARKS: Final = 4
# Where the text is in the page; no text contains it, since all are escaped.
_HERE: Final = "<transcript>"


@attrs.frozen
class _Line:
    """An utterance as the page shows it: times in seconds, and the position of its speaker."""

    start: float
    end: float
    speaker: int
    text: str
    language: str | None


@attrs.define
class _Lane:
    """The parts of the timeline in which a speaker speaks.

    Attributes:
        gap: seconds that are too narrow to be seen, so that a day has few parts.
        parts: start and end in seconds.
        spoken: seconds of speech.
    """

    gap: float
    parts: list[tuple[float, float]] = attrs.Factory(list)
    spoken: float = 0.0

    def add(self, line: _Line) -> None:
        """Add an utterance, which begins no earlier than those before."""
        self.spoken += line.end - line.start
        if self.parts and line.start - self.parts[-1][1] < self.gap:
            start, end = self.parts[-1]
            self.parts[-1] = (start, max(end, line.end))
        else:
            self.parts.append((line.start, line.end))


def render_page(
    transcript: AnyTranscript,
    audio: Path | None = None,
    *,
    style: LabelStyle = LabelStyle.DIARIZATION,
) -> str:
    """Return the page.

    Args:
        transcript: the transcript.
        audio: the recording, a file that browsers play, which becomes a part of the page.
        style: spelling of the speakers.

    Raises:
        AudioError: the recording is too large for a page, or cannot be read.
    """
    return "".join(write_page(transcript, audio, style=style))


def write_page(
    transcript: AnyTranscript,
    audio: Path | None = None,
    *,
    style: LabelStyle = LabelStyle.DIARIZATION,
) -> Iterator[str]:
    """Yield the page in parts, at constant memory but for the recording.

    Raises:
        AudioError: see :func:`render_page`.
    """
    # The timeline is before the text, and its scale depends on the last utterance.
    transcript = by_offset(transcript)
    positions: dict[str, int] = {}
    end = 0.0
    for line in _lines(transcript, style, positions):
        end = max(end, line.end)
    duration = max(seconds(transcript.duration), end, 1.0)
    lanes = [_Lane(_NARROWEST * duration / _WIDTH) for _ in positions]
    for line in _lines(transcript, style, positions):
        lanes[line.speaker].add(line)
    labels = list(positions)
    before, _, after = fill_page(
        "speech_adapters.export",
        escape(one_line(transcript.meeting_id)),
        media=True,
        about=_about(transcript, len(labels)),
        timeline=_timeline(labels, lanes, duration),
        transcript=_HERE,
        provenance=_provenance(transcript),
        audio="" if audio is None else _recording(audio),
    ).partition(_HERE)
    yield before
    yield from _transcript(labels, _lines(transcript, style, positions))
    yield after


def _lines(
    transcript: AnyTranscript, style: LabelStyle, positions: dict[str, int]
) -> Iterator[_Line]:
    """Yield the utterances, with the positions of their speakers in the order of appearance."""
    for utterance, label, text in texts(transcript, style):
        position = positions.setdefault(label or "Unknown", len(positions))
        yield _line(utterance, position, text)


def _line(utterance: Utterance, speaker: int, text: str) -> _Line:
    start, end = seconds(utterance.offset), seconds(utterance.end)
    return _Line(start, end, speaker, text, utterance.language)


def _about(transcript: AnyTranscript, speakers: int) -> str:
    count = f"{speakers} speaker{'' if speakers == 1 else 's'}"
    return f"<li>{_clock(seconds(transcript.duration))}</li><li>{count}</li>"


def _timeline(labels: Sequence[str], lanes: Sequence[_Lane], duration: float) -> str:
    if not lanes:
        return ""
    drawn = "\n".join(
        _lane(speaker, label, lanes[speaker], duration) for speaker, label in enumerate(labels)
    )
    marks = "".join(
        f"<span>{_clock(duration * index / _MARKS)}</span>" for index in range(_MARKS + 1)
    )
    return (
        f'<section class="timeline card" aria-labelledby="timeline" data-duration="{duration:.3f}">'
        '<h2 id="timeline">Speakers</h2>'
        '<p class="unseen">Arrow keys move between utterances, Enter goes there.</p>\n'
        f'{drawn}\n<div class="axis" aria-hidden="true">{marks}</div></section>'
    )


def _lane(speaker: int, label: str, lane: _Lane, duration: float) -> str:
    scale = _WIDTH / duration
    parts = "".join(
        f'<rect x="{start * scale:.2f}" y="0" height="10"'
        f' width="{max((end - start) * scale, _NARROWEST):.2f}" role="button"'
        # The tabulator reaches one part of the whole timeline.
        f' tabindex="{-1 if speaker or index else 0}" data-start="{start:.3f}"'
        f' aria-label="{escape(label)} at {_clock(start)}, {_in_words(end - start)}"/>'
        for index, (start, end) in enumerate(lane.parts)
    )
    return (
        f'<div class="lane voice-{speaker % VOICES}">'
        f'<span class="speaker" dir="auto">{escape(label)}</span>'
        f'<span class="spoken" title="{_in_words(lane.spoken)}">{_clock(lane.spoken)}</span>'
        f'<svg viewBox="0 0 {_WIDTH} 10" preserveAspectRatio="none" role="group"'
        f' aria-label="{escape(label)}">{parts}'
        '<rect class="head" y="0" width="2" height="10" display="none"/></svg></div>'
    )


def _transcript(labels: Sequence[str], lines: Iterable[_Line]) -> Iterator[str]:
    if not labels:
        yield '<p class="card hint">No speech was recognized.</p>'
        return
    yield '<ol class="transcript">\n'
    before: int | None = None
    for line in lines:
        item = _item(line, labels[line.speaker], same=line.speaker == before)
        yield item if before is None else f"\n{item}"
        before = line.speaker
    yield "\n</ol>"


def _item(line: _Line, label: str, *, same: bool) -> str:
    language = f' lang="{escape(line.language)}"' if line.language else ""
    # The name of a speaker who continues is there for screen readers, and in search results.
    return (
        f'<li class="voice-{line.speaker % VOICES}{" same" if same else ""}"'
        f' data-start="{line.start:.3f}">'
        f'<button type="button" class="time" tabindex="-1">{_clock(line.start)}</button>'
        f'<span class="speaker{" repeated" if same else ""}" dir="auto">{escape(label)}</span>'
        f'<p dir="auto"{language}>{escape(line.text)}</p></li>'
    )


def _provenance(transcript: AnyTranscript) -> str:
    origin = transcript.provenance
    name = one_line(f"{origin.backend} {origin.version}")
    remarks = "".join(
        f"<li>{escape(one_line(text))}</li>" for text in (*origin.notes, *origin.emulated)
    )
    return f"<p>Transcribed by {escape(name)}.</p>" + (f"<ul>{remarks}</ul>" if remarks else "")


def _recording(path: Path) -> str:
    try:
        if path.stat().st_size > MOST_AUDIO_BYTES:
            raise AudioError(
                f"{path} has more than {MOST_AUDIO_BYTES // 2**20} MB, too much for a page:"
                " leave out --embed-audio. The page can open the recording from the disk."
            )
        content = path.read_bytes()
    except OSError as error:
        raise AudioError(f"{path} cannot be read: {error.strerror or error}.") from error
    # No script: browsers run only types that they know.
    media_type = MEDIA_TYPES.get(recognize_kind(content[:HEAD_BYTES]) or "wav", "audio/wav")
    kind = f'type="application/octet-stream" data-type="{media_type}"'
    return f'<script id="recording" {kind}>{base64.b64encode(content).decode()}</script>'


def _clock(value: float) -> str:
    """Return seconds as ``4:05`` or ``1:04:05``."""
    minutes, second = divmod(int(value), 60)
    hours, minute = divmod(minutes, 60)
    return f"{hours}:{minute:02}:{second:02}" if hours else f"{minute}:{second:02}"


def _in_words(value: float) -> str:
    """Return a length of time for texts that are read aloud: ``1 h 4 min 5 s``."""
    minutes, second = divmod(round(value), 60)
    hours, minute = divmod(minutes, 60)
    parts = [(hours, "h"), (minute, "min"), (second, "s")]
    return " ".join(f"{count} {unit}" for count, unit in parts if count) or "0 s"
