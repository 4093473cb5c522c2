"""The speech engine: PCM in, lines of text with speaker spans out.

Two properties of the engine shape this module.  Each update of a stream returns all of its
lines, so only those are read that can still change: the engine revises the speakers of a
line for two minutes, then they are final.  And with several seconds between updates it
loses segments, so the interval is half a second.
"""

from __future__ import annotations

import ctypes
from pathlib import Path
from typing import Any, Final

import moonshine_voice
import numpy as np
from moonshine_voice.errors import MoonshineError
from moonshine_voice.moonshine_api import ModelArch, Transcript
from moonshine_voice.transcriber import Error, Transcriber

from speech_adapters.backends.local.utterances import EngineLine, Span
from speech_adapters.closeable import Closeable
from speech_adapters.errors import BackendError, ConfigurationError

__all__ = ["CADENCE_SECONDS", "Engine"]

_UPDATE_SECONDS: Final = 0.5
# The engine revises speakers within 120 s; the rest is a margin.
_FINAL_SECONDS: Final = 150.0
# Smaller values are more accurate, but one analysis costs about 1.5 s of CPU time.
CADENCE_SECONDS: Final = 2.0
"""Seconds of audio between two analyses of the speakers."""


class Engine(Closeable):
    """One stream through the engine.

    Args:
        sample_rate: samples per second of the audio.
        diarize: whether speakers are separated.
        recognize: whether the lines have text.

    Raises:
        ConfigurationError: the model cannot be loaded.
    """

    def __init__(self, sample_rate: int, diarize: bool, *, recognize: bool = True) -> None:
        self._sample_rate = sample_rate
        self._transcriber = _load(diarize, recognize)
        self._stream = self._transcriber.create_stream(update_interval=_UPDATE_SECONDS)
        self._failure: Exception | None = None
        self._stream.add_listener(self._on_event)
        self._stream.start()

    def add_audio(self, pcm: bytes) -> list[EngineLine]:
        """Process mono 16-bit PCM; return the new and changed lines, in time order.

        Raises:
            BackendError: the engine failed.
        """
        samples = np.frombuffer(pcm, "<i2").astype(np.float32) / 32768.0
        try:
            self._stream.add_audio(samples.tolist(), self._sample_rate)
        except MoonshineError as error:
            raise BackendError(f"The speech engine failed: {error}.") from error
        return self._transcriber.pop_changed()

    def finish(self) -> list[EngineLine]:
        """End the audio; return the lines that are new or changed since the last call.

        Raises:
            BackendError: the engine failed.
        """
        try:
            self._stream.stop()
        except MoonshineError as error:
            raise BackendError(f"The speech engine failed: {error}.") from error
        if self._failure is not None:
            raise BackendError(f"The speech engine failed at the end: {self._failure}.")
        return self._transcriber.pop_changed()

    def close(self) -> None:
        """Free the engine.  Idempotent."""
        self._stream.close()
        self._transcriber.close()

    def _on_event(self, event: object) -> None:
        # While it stops, the engine raises no error but only reports it to listeners.
        if isinstance(event, Error):
            self._failure = event.error


class _Transcriber(Transcriber):  # type: ignore[misc]
    """Reads only the lines that can still change, and none of their audio.

    The package's own parser reads all lines at each update, which takes longer and longer
    as a meeting goes on.
    """

    def __init__(self, folder: str, arch: ModelArch, options: dict[str, str]) -> None:
        # The index of the first line that can still change.
        self._first = 0
        # The lines that changed since the last call of pop_changed, by id.
        self._changed: dict[int, EngineLine] = {}
        super().__init__(folder, arch, options=options)

    def pop_changed(self) -> list[EngineLine]:
        changed, self._changed = self._changed, {}
        return list(changed.values())

    def _parse_transcript(self, transcript_ptr: Any) -> Transcript:
        # Called by the base class at each update.
        if transcript_ptr:
            found = transcript_ptr.contents
            self._read([found.lines[i] for i in range(self._first, found.line_count)])
        return Transcript(lines=[])

    def _read(self, lines: list[Any]) -> None:
        now = lines[-1].start_time + lines[-1].duration if lines else 0.0
        for raw in lines:
            if raw.is_new or raw.is_updated or raw.has_text_changed or raw.have_speakers_changed:
                line = _line(raw)
                self._changed[line.id] = line
        for raw in lines:
            if not raw.is_complete or raw.start_time + raw.duration > now - _FINAL_SECONDS:
                break
            self._first += 1


def _line(raw: Any) -> EngineLine:
    text = ctypes.string_at(raw.text).decode("utf-8", "replace") if raw.text else ""
    spans = (raw.speaker_spans[i] for i in range(raw.speaker_span_count))
    return EngineLine(
        raw.id,
        text.strip(),
        raw.start_time,
        raw.duration,
        bool(raw.is_complete),
        tuple(Span(s.start_time, s.duration, s.speaker_id) for s in spans),
    )


def _load(diarize: bool, recognize: bool) -> _Transcriber:
    folder = Path(moonshine_voice.__file__).parent / "assets" / "tiny-en"
    wanted = {"return_audio_data": "false"}
    if not recognize:
        # The engine goes by the presence of this option, not by its value.
        wanted["skip_transcription"] = "true"
    if diarize:
        wanted["identify_speakers"] = "true"
        wanted["diarization_analyze_cadence"] = str(CADENCE_SECONDS)
    try:
        return _Transcriber(str(folder), ModelArch.TINY, wanted)
    except MoonshineError as error:
        raise ConfigurationError(
            f"The model in {folder} cannot be loaded: {error}. Install moonshine-voice 0.1.0 again."
        ) from error
