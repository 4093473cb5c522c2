"""The speech engine: PCM in, lines of text with speaker spans out.

Two properties of the engine shape this module.  Each update of a stream returns all of its
lines, so only those are read that can still change: the engine revises the speakers of a
line for two minutes, then they are final.  And with several seconds between updates it
loses segments, so the interval is half a second.
"""

from __future__ import annotations

import ctypes
from typing import Any, Final

import numpy as np
from moonshine_voice.errors import MoonshineError
from moonshine_voice.moonshine_api import ModelArch, Transcript
from moonshine_voice.transcriber import Error, Transcriber

from speech_adapters.backends.local.options import LocalOptions, model_folder
from speech_adapters.backends.local.utterances import EngineLine, Span
from speech_adapters.closeable import Closeable
from speech_adapters.errors import BackendError, ConfigurationError

__all__ = ["Engine"]

_UPDATE_SECONDS: Final = 0.5
# The engine revises speakers within 120 s; the rest is a margin.
_FINAL_SECONDS: Final = 150.0


class Engine(Closeable):
    """One stream through the engine.

    Args:
        options: model and cadence of the diarization.
        sample_rate: samples per second of the audio.
        diarize: whether speakers are separated.

    Raises:
        ConfigurationError: the model cannot be loaded.
    """

    def __init__(self, options: LocalOptions, sample_rate: int, diarize: bool) -> None:
        self._sample_rate = sample_rate
        self._transcriber = _load(options, diarize)
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


def _load(options: LocalOptions, diarize: bool) -> _Transcriber:
    folder = model_folder(options)
    arch = ModelArch.__members__.get(options.model_arch.upper())
    if arch is None:
        known = ", ".join(name.lower() for name in ModelArch.__members__)
        raise ConfigurationError(
            f"There is no model architecture {options.model_arch!r}: set"
            f" backends.local.model_arch to one of {known}."
        )
    wanted = {"return_audio_data": "false"}
    if diarize:
        wanted["identify_speakers"] = "true"
        wanted["diarization_analyze_cadence"] = str(options.diarization_cadence)
    try:
        return _Transcriber(str(folder), arch, wanted)
    except MoonshineError as error:
        raise ConfigurationError(
            f"The model in {folder} cannot be loaded as {options.model_arch!r}: {error}."
            " Check backends.local.model_path and model_arch."
        ) from error
