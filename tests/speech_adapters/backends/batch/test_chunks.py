from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest

from speech_adapters.audio import PcmFormat, WavFile
from speech_adapters.backends.batch.chunks import Part, Piece, joined, part_name, parts_of
from speech_adapters.transcript import Provenance, Transcript, Utterance, Word

ORIGIN = Provenance("batch", "test")
ID = "f" * 32


def said(*speakers: int | None, seconds: int = 10) -> Transcript:
    utterances = tuple(
        Utterance("id", f"{n}", n * 10_000_000, 1, speaker, words=(Word("w", n * 10_000_000, 1),))
        for n, speaker in enumerate(speakers)
    )
    return Transcript("m", utterances, seconds * 10_000_000, ORIGIN)


def test_a_short_recording_is_one_part(tmp_path: Path) -> None:
    parts = parts_of(
        tmp_path / "none", 100, PcmFormat(), longest=100, policy="auto", by_channel=False
    )
    assert parts == [Part(0, 100)]


@pytest.mark.parametrize("channels", [1, 3])
def test_the_parts_are_the_whole_recording_none_too_long(tmp_path: Path, channels: int) -> None:
    audio = tmp_path / "a.pcm"
    pcm = PcmFormat(1_000, channels)
    loud = np.random.default_rng(0).integers(-9_000, 9_000, (10_000, channels))
    loud[2_400:3_100] = 0
    audio.write_bytes(loud.astype("<i2").tobytes())
    parts = parts_of(audio, 10_000, pcm, longest=4_000, policy="auto", by_channel=True)
    for channel in range(channels):
        own = [part for part in parts if part.channel == (channel if channels > 1 else None)]
        assert [part.start for part in own[1:]] == [p.start + p.frames for p in own[:-1]]
        assert sum(part.frames for part in own) == 10_000
        assert all(0 < part.frames <= 4_000 for part in own)
        assert 2_400 <= own[1].start <= 3_100, "in the quiet"


def test_a_real_recording_is_cut_between_words(shipped_recordings: Path, tmp_path: Path) -> None:
    """The cut is at least ten times quieter than the recording as a whole."""
    with WavFile(shipped_recordings / "endgame_nagg_nell.wav") as file:
        data, pcm = file.read(10_000_000), file.pcm
    audio = tmp_path / "a.pcm"
    audio.write_bytes(data)
    frames = len(data) // pcm.frame_bytes
    _, second, *_ = parts_of(
        audio, frames, pcm, longest=frames // 2, policy="auto", by_channel=False
    )
    samples = np.frombuffer(data, "<i2").astype(float)
    around = samples[second.start - pcm.sample_rate // 10 : second.start + pcm.sample_rate // 10]
    assert np.square(around).mean() * 100 < np.square(samples).mean()


@pytest.mark.parametrize("place", ["https://a.blob/c/{}?sig=x", "{}", "folder/{}"])
def test_a_part_is_put_where_its_name_says(place: str) -> None:
    pcm = PcmFormat(16_000, 1)
    names = [part_name(ID, Part(start, 160_000), pcm) for start in (160_000, 0)]
    late, early = (Piece(place.format(name), said(1, 0)) for name in names)
    whole = joined([late, early], "m", ORIGIN)
    assert [u.offset for u in whole.utterances] == [0, 10_000_000, 100_000_000, 110_000_000]
    assert [u.words[0].offset for u in whole.utterances] == [u.offset for u in whole.utterances]
    assert [u.speaker for u in whole.utterances] == [0, 1, 2, 3]
    assert whole.duration == 200_000_000
    assert "2 parts" in whole.provenance.emulated[0]


def test_channels_are_put_side_by_side() -> None:
    pcm = PcmFormat(16_000, 2)
    pieces = [Piece(part_name(ID, Part(0, 9, c), pcm), said(0, 0)) for c in (1, 0)]
    whole = joined(pieces, "m", ORIGIN)
    assert [(u.channel, u.speaker) for u in whole.utterances] == [(0, 0), (1, 1), (0, 0), (1, 1)]
    assert whole.provenance.emulated == (
        "Each of 2 channels was transcribed by itself: a voice on two channels is two speakers.",
    )


def test_a_channel_is_a_speaker_in_all_parts_where_nobody_was_told_apart() -> None:
    pcm = PcmFormat(16_000, 2)
    parts = [Part(start, 9, channel) for start in (0, 160_000) for channel in (0, 1)]
    whole = joined([Piece(part_name(ID, p, pcm), said(None)) for p in parts], "m", ORIGIN)
    assert [u.speaker for u in whole.utterances] == [0, 1, 0, 1]
    assert whole.provenance.emulated == ("Each audio channel is taken for a speaker.",)


def test_files_of_the_programs_own_follow_one_another_by_name() -> None:
    pieces = [Piece("https://a/b.wav?sig=1", said(0)), Piece("https://a/a.wav?sig=2", said(0))]
    whole = joined(pieces, "m", ORIGIN)
    assert [u.offset for u in whole.utterances] == [0, 100_000_000]
    assert [u.speaker for u in whole.utterances] == [0, 1]
