"""The engine that the local backend had first: lines and speakers of moonshine-voice.

::

    python -m benchmarks.previous_engine OUTPUT RECORDING

Writes what ``speech-compat transcribe --format json`` writes.
"""

from __future__ import annotations

import sys
from pathlib import Path

from speech_adapters.audio import WavFile, mix_down
from speech_adapters.backends.local.moonshine.engine import Engine
from speech_adapters.backends.local.utterances import UtteranceBuilder
from speech_adapters.export import render
from speech_adapters.transcript import Provenance, Transcript

__all__ = ["main"]


def main(output: Path, recording: Path) -> None:
    """Transcribe a recording."""
    builder = UtteranceBuilder("en-US", True, settle_seconds=2.0)
    with WavFile(recording) as file, Engine(file.pcm.sample_rate, diarize=True) as engine:
        now = 0.0
        # In blocks of 0.1 s, as the backend did.
        while block := file.read(file.pcm.sample_rate // 10):
            now += len(block) / file.pcm.bytes_per_second
            lines = engine.add_audio(mix_down(block, file.pcm.channels, "auto"))
            list(builder.update(lines, now))
        list(builder.update(engine.finish(), now))
        list(builder.finish())
    origin = Provenance("local", "moonshine-voice")
    transcript = Transcript(recording.stem, builder.utterances, 0, origin)
    output.write_text(render(transcript, "json"), encoding="utf-8")


if __name__ == "__main__":
    main(*map(Path, sys.argv[1:]))
