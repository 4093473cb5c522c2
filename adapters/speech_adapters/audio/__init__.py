"""Audio formats, files of all kinds, stream decoding and channel mixing.

Sessions accept 16-bit little-endian PCM with interleaved channels.
"""

from __future__ import annotations

from speech_adapters.audio.compressed import CompressedStream
from speech_adapters.audio.files import AUDIO_SUFFIXES, AudioFile, open_audio
from speech_adapters.audio.mixing import check_downmix, mix_down, quietest_frame
from speech_adapters.audio.pcm import PcmFormat, SourceFormat
from speech_adapters.audio.stream import StreamDecoder
from speech_adapters.audio.wav import WavFile

__all__ = [
    "AUDIO_SUFFIXES",
    "AudioFile",
    "CompressedStream",
    "PcmFormat",
    "SourceFormat",
    "StreamDecoder",
    "WavFile",
    "check_downmix",
    "mix_down",
    "open_audio",
    "quietest_frame",
]
