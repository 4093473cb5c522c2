from __future__ import annotations

from functools import partial
from pathlib import Path

import numpy as np
import pytest

from speech_adapters.audio import PcmFormat, WavFile
from speech_adapters.backends.batch.chunks import (
    Chunk,
    ChunkTranscript,
    audio_name,
    blob_name,
    cut,
    is_chunk,
    merge,
)
from speech_adapters.transcript import (
    Provenance,
    Reread,
    StreamedTranscript,
    Transcript,
    Utterance,
    Word,
)

ORIGIN = Provenance("batch", "test")
ID = "f" * 32


def transcript(*speakers: int | None, seconds: int = 10) -> Transcript:
    utterances = tuple(
        Utterance("id", f"{n}", n * 10_000_000, 1, speaker, words=(Word("w", n * 10_000_000, 1),))
        for n, speaker in enumerate(speakers)
    )
    return Transcript("m", utterances, seconds * 10_000_000, ORIGIN)


def test_a_short_recording_is_one_chunk(tmp_path: Path) -> None:
    chunks = cut(tmp_path / "none", 100, PcmFormat(), longest=100, policy="auto", by_channel=False)
    assert chunks == (Chunk(0, 100),)


@pytest.mark.parametrize("channels", [1, 3])
def test_the_chunks_are_the_whole_recording_none_too_long(tmp_path: Path, channels: int) -> None:
    audio = tmp_path / "a.pcm"
    pcm = PcmFormat(1_000, channels)
    loud = np.random.default_rng(0).integers(-9_000, 9_000, (10_000, channels))
    loud[2_400:3_100] = 0
    audio.write_bytes(loud.astype("<i2").tobytes())
    chunks = cut(audio, 10_000, pcm, longest=4_000, policy="auto", by_channel=True)
    for channel in range(channels):
        own = [c for c in chunks if c.channel == (channel if channels > 1 else None)]
        assert [chunk.start for chunk in own[1:]] == [p.start + p.frames for p in own[:-1]]
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
    _, second, *_ = cut(audio, frames, pcm, longest=frames // 2, policy="auto", by_channel=False)
    samples = np.frombuffer(data, "<i2").astype(float)
    around = samples[second.start - pcm.sample_rate // 10 : second.start + pcm.sample_rate // 10]
    assert np.square(around).mean() * 100 < np.square(samples).mean()


@pytest.mark.parametrize("place", ["https://a.blob/c/{}?sig=x", "{}", "folder/{}"])
def test_a_chunk_is_placed_by_its_name(place: str) -> None:
    pcm = PcmFormat(16_000, 1)
    names = [blob_name(ID, Chunk(start, 160_000), pcm) for start in (160_000, 0)]
    late, early = (ChunkTranscript(place.format(name), transcript(1, 0)) for name in names)
    whole = merge([late, early], "m", ORIGIN)
    assert [u.offset for u in whole.utterances] == [0, 10_000_000, 100_000_000, 110_000_000]
    assert [u.words[0].offset for u in whole.utterances] == [u.offset for u in whole.utterances]
    assert [u.speaker for u in whole.utterances] == [0, 1, 2, 3]
    assert whole.duration == 200_000_000
    assert "2 parts" in whole.provenance.emulated[0]


def test_channels_are_merged_side_by_side() -> None:
    pcm = PcmFormat(16_000, 2)
    parts = [ChunkTranscript(blob_name(ID, Chunk(0, 9, c), pcm), transcript(0, 0)) for c in (1, 0)]
    whole = merge(parts, "m", ORIGIN)
    assert [(u.channel, u.speaker) for u in whole.utterances] == [(0, 0), (1, 1), (0, 0), (1, 1)]
    assert whole.provenance.emulated == (
        "Each of 2 channels was transcribed by itself: a voice on two channels is two speakers.",
    )


def test_without_diarization_a_channel_is_a_speaker_in_all_chunks() -> None:
    pcm = PcmFormat(16_000, 2)
    chunks = [Chunk(start, 9, channel) for start in (0, 160_000) for channel in (0, 1)]
    whole = merge(
        [ChunkTranscript(blob_name(ID, c, pcm), transcript(None)) for c in chunks], "m", ORIGIN
    )
    assert [u.speaker for u in whole.utterances] == [0, 1, 0, 1]
    assert whole.provenance.emulated == ("Each audio channel is taken for a speaker.",)


def test_a_silent_channel_leaves_no_gap_in_the_numbers() -> None:
    pcm = PcmFormat(16_000, 2)
    spoken = [(0, transcript()), (1, transcript(None)), (2, transcript(None))]
    parts = [
        ChunkTranscript(blob_name(ID, Chunk(0, 9, c), pcm), transcript) for c, transcript in spoken
    ]
    whole = merge(parts, "m", ORIGIN)
    assert [(u.channel, u.speaker) for u in whole.utterances] == [(1, 0), (2, 1)]


def test_files_of_the_program_follow_one_another_by_name() -> None:
    parts = [
        ChunkTranscript("https://a/b.wav?sig=1", transcript(0)),
        ChunkTranscript("https://a/a.wav?sig=2", transcript(0)),
    ]
    whole = merge(parts, "m", ORIGIN)
    assert [u.offset for u in whole.utterances] == [0, 100_000_000]
    assert [u.speaker for u in whole.utterances] == [0, 1]


@pytest.mark.parametrize("source", ["https://a/a.wav", f"https://a/{ID}.0.all.wav?sig=x"])
def test_a_single_file_is_the_transcript_as_it_is(source: str) -> None:
    only = transcript(3)
    assert merge([ChunkTranscript(source, only)], "m", ORIGIN) is only


def test_a_single_later_chunk_keeps_its_place() -> None:
    later = ChunkTranscript(f"{ID}.50000000.all.wav", transcript(3))
    (utterance,) = merge([later], "m", ORIGIN).utterances
    assert (utterance.offset, utterance.speaker) == (50_000_000, 0)


def test_without_diarization_chunks_in_time_have_no_speakers() -> None:
    names = [f"{ID}.{start}.all.wav" for start in (0, 100_000_000)]
    whole = merge([ChunkTranscript(name, transcript(None)) for name in names], "m", ORIGIN)
    assert [u.speaker for u in whole.utterances] == [None, None]


def test_files_submitted_as_a_list_follow_one_another_in_its_order() -> None:
    parts = [
        ChunkTranscript("https://a/a.wav", transcript(0, seconds=5), "contenturl_10.json"),
        ChunkTranscript("https://a/b.wav", transcript(0, seconds=7), "contenturl_2.json"),
    ]
    assert [u.offset for u in merge(parts, "m", ORIGIN).utterances] == [0, 70_000_000]


def test_the_name_of_audio_is_read_from_any_text() -> None:
    assert audio_name(f"https://host/c/{ID}%2E0.all.wav?sig=a/b#c/d") == f"{ID}.0.all.wav"
    assert audio_name("https://[/a.wav") == "a.wav"
    assert not is_chunk(f"{ID}.{'9' * 5_000}.all.wav")


def test_parts_that_are_read_from_the_disk_are_merged_without_being_read_into_memory() -> None:
    parts = [
        ChunkTranscript(f"{'a' * 32}.{at * 10**8}.{channel}.wav", transcript(*speakers))
        for at, speakers in enumerate([(1, 0, 1), (0, None), (2, 2)])
        for channel in (0, 1)
    ]
    streamed = [
        ChunkTranscript(
            part.source,
            StreamedTranscript(
                "m",
                Reread(partial(iter, part.transcript.utterances)),
                part.transcript.duration,
                ORIGIN,
            ),
        )
        for part in parts
    ]
    merged = merge(streamed, "m", ORIGIN)
    assert isinstance(merged, StreamedTranscript)
    assert merged.load() == merged.load() == merge(parts, "m", ORIGIN)
