"""Transcripts of any origin, read from files; the format is detected by the content.

``json``
    The project's own export; see :mod:`speech_adapters.export`.
``result``
    A result file of Azure's batch or fast transcription.
``answer``
    An answer of the retired service to its remote clients
    (docs/protocol/legacy-interface.md, 2.5).
``events``
    The JSON of ``transcribed`` events, as programs saved it: one document, a list, or one
    document in each line (docs/protocol/speech-websocket.md, 2.3).
``rttm``, ``stm``
    Speaker turns without and with words (NIST).  A file may have several recordings.
``vtt``, ``srt``
    Subtitles; the speaker is in a voice tag, or before a colon.
``text``
    Lines such as ``[00:00:04] Guest-1: Good morning.``; without times it must be named.

Speakers keep the labels of the file.

The parsers are imported with :mod:`.reader` only, so that the command line starts fast.
"""

from __future__ import annotations

from typing import Final

__all__ = ["FORMATS"]

FORMATS: Final = ("json", "result", "answer", "events", "rttm", "stm", "vtt", "srt", "text")
