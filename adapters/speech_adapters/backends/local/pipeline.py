"""Recognition and diarization of one recording, each in a thread of its own.

Their libraries release the interpreter's lock while they compute, so the two use two
processors.
"""

from __future__ import annotations

import queue
import threading
import uuid
from collections.abc import Mapping
from contextlib import ExitStack
from typing import TYPE_CHECKING, Any, Final, Generic, Protocol, TypeVar

import numpy as np
from numpy.typing import NDArray

from speech_adapters.backends.local.diarization.identification import identify
from speech_adapters.backends.local.recognition.resampling import SAMPLE_RATE, Resampler
from speech_adapters.backends.local.recognition.words import build_utterances
from speech_adapters.closeable import Closeable
from speech_adapters.signatures import VoiceSignature
from speech_adapters.transcript import Provenance, Utterance

if TYPE_CHECKING:
    from speech_adapters.backends.local.diarization import Diarization
    from speech_adapters.backends.local.recognition.whisper import RecordingRecognizer

__all__ = ["Pipeline", "Stage", "StageWork"]

_SAMPLE_BYTES: Final = 2
# Audio is passed to the threads in pieces of this length.
_PIECE_SECONDS: Final = 1.0
# It is read so far ahead of the slower thread.  More than a block of the recognition, for
# which the other one would have to wait otherwise.
_AHEAD_SECONDS: Final = 300.0
# A wait without progress ends after this time: the caller checks whether to go on.
_WAIT_SECONDS: Final = 0.5

T = TypeVar("T")
T_co = TypeVar("T_co", covariant=True)


class StageWork(Protocol[T_co]):
    """What a stage does with the samples of a recording."""

    def add_audio(self, samples: NDArray[np.float32]) -> None:
        """Process 16 kHz mono samples in [-1, 1]."""
        ...

    def finish(self) -> T_co:
        """Return the result for the whole recording."""
        ...


class Stage(Closeable, Generic[T]):
    """Runs one half of the work in a thread.

    Args:
        work: receives all samples, in the thread.
        changed: notified after each piece and at the end.
    """

    def __init__(self, work: StageWork[T], changed: threading.Condition) -> None:
        self._work = work
        self._changed = changed
        # The pieces that wait for the thread; ``None`` is the end of the audio.
        self._pieces: queue.SimpleQueue[NDArray[np.float32] | None] = queue.SimpleQueue()
        # Samples that were processed.
        self._size = 0
        # Set to end the thread before the end of the audio.
        self._closed = False
        self._ended = False
        self._result: T | None = None
        self._failure: Exception | None = None
        self._thread = threading.Thread(target=self._run, daemon=True)
        self._thread.start()

    @property
    def seconds(self) -> float:
        """Seconds of audio that were processed.

        Raises:
            Exception: what the work raised.
        """
        if self._failure is not None:
            raise self._failure
        return self._size / SAMPLE_RATE

    @property
    def is_done(self) -> bool:
        """Whether no work is left, or it failed."""
        return self._ended

    def put(self, samples: NDArray[np.float32] | None) -> None:
        """Pass on more samples, or ``None`` at the end.  Does not wait."""
        self._pieces.put(samples)

    def result(self) -> T:
        """Wait for the end, and return the result.

        Raises:
            Exception: what the work raised.
        """
        self._thread.join()
        if self._failure is not None:
            raise self._failure
        assert self._result is not None, "the stage was closed"
        return self._result

    def close(self) -> None:
        """End the thread after its present piece.  Idempotent."""
        self._closed = True
        self._pieces.put(None)
        # Native code that still runs when the interpreter exits would crash the process.
        self._thread.join()

    def _run(self) -> None:
        try:
            while (samples := self._pieces.get()) is not None and not self._closed:
                self._work.add_audio(samples)
                with self._changed:
                    self._size += len(samples)
                    self._changed.notify_all()
            if not self._closed:
                self._result = self._work.finish()
        except Exception as error:
            self._failure = error
        finally:
            with self._changed:
                self._ended = True
                self._changed.notify_all()


class Pipeline(Closeable):
    """Transcribes one recording.

    Args:
        sample_rate: samples per second of the audio.
        recognizer: recognizes the words.
        diarizer: separates the speakers; ``None`` to leave the utterances without speakers.
        language: BCP-47 tag that the utterances carry, unless another language is detected.
        seed: the ids of the utterances are derived from it.
        provenance: the transcript's provenance.
        resources: closed at the end, after the threads.
        signatures: voice signatures of participants, by their ids.

    Attributes:
        provenance: the transcript's provenance.
    """

    def __init__(
        self,
        sample_rate: int,
        recognizer: RecordingRecognizer,
        diarizer: StageWork[Diarization] | None,
        *,
        language: str,
        seed: uuid.UUID,
        provenance: Provenance,
        resources: ExitStack,
        signatures: Mapping[str, VoiceSignature] | None = None,
    ) -> None:
        self.provenance = provenance
        self._rate = sample_rate
        self._recognizer = recognizer
        self._language = language
        self._seed = seed
        self._signatures = signatures or {}
        self._resources = resources
        self._resampler = Resampler(sample_rate)
        # Audio that is not passed on yet, less than a piece; and the samples that were.
        self._rest = bytearray()
        self._passed = 0
        # Notified when a stage has made progress.
        self._changed = threading.Condition()
        self._words = Stage(recognizer, self._changed)
        self._turns = None if diarizer is None else Stage(diarizer, self._changed)
        self._stages: list[Stage[Any]] = [s for s in (self._words, self._turns) if s is not None]

    @property
    def seconds(self) -> float:
        """Seconds of audio that both halves have processed.

        Raises:
            SpeechError: one of them failed.
        """
        return min(stage.seconds for stage in self._stages)

    @property
    def is_behind(self) -> bool:
        """Whether much more audio was added than processed."""
        return self._passed / SAMPLE_RATE - self.seconds > _AHEAD_SECONDS

    @property
    def is_done(self) -> bool:
        """Whether all audio was processed, after :meth:`end_audio`."""
        return all(stage.is_done for stage in self._stages)

    def add_audio(self, pcm: bytes) -> None:
        """Add mono 16-bit PCM.  Does not wait: see :attr:`is_behind`.

        Raises:
            AudioError: the sample rate cannot be converted.
        """
        self._rest += pcm
        if len(self._rest) >= _PIECE_SECONDS * self._rate * _SAMPLE_BYTES:
            self._pass_on(self._resampler.add(bytes(self._rest)))
            self._rest.clear()

    def end_audio(self) -> None:
        """End the audio.

        Raises:
            AudioError: the sample rate cannot be converted.
        """
        if self._rest:
            self._pass_on(self._resampler.add(bytes(self._rest)))
        self._pass_on(self._resampler.finish())
        for stage in self._stages:
            stage.put(None)

    def wait(self) -> None:
        """Wait until there is progress, for a short time at most."""
        with self._changed:
            if not self.is_done:
                self._changed.wait(_WAIT_SECONDS)

    def utterances(self) -> tuple[Utterance, ...]:
        """Wait for the end, and return the utterances.

        Raises:
            SpeechError: the recognition or the diarization failed.
        """
        words = self._words.result()
        tag, seed = self._tag(), self._seed
        if self._turns is None:
            return build_utterances(words, (), language=tag, seed=seed)
        found = self._turns.result()
        names = identify(found, self._signatures)
        return build_utterances(words, found.turns, language=tag, seed=seed, names=names)

    def close(self) -> None:
        """End the threads and free the models.  Idempotent."""
        for stage in self._stages:
            stage.close()
        self._resources.close()

    def _pass_on(self, samples: NDArray[np.float32]) -> None:
        if len(samples):
            self._passed += len(samples)
            for stage in self._stages:
                stage.put(samples)

    def _tag(self) -> str:
        found = self._recognizer.language
        expected = self._recognizer.model.code(self._language)
        return self._language if found in (None, expected) else found
