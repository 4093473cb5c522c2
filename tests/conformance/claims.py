"""Tests of what a backend claims in its ``Capabilities``.

A wish of a program is either reported as lost, or it shows: in what the double of the service
received, or in the results.  A subclass has a :class:`Proof` for each wish that its backend
serves, so a new claim fails until something proves it.
"""

from __future__ import annotations

import json
import wave
from collections.abc import Callable, Mapping
from pathlib import Path
from typing import Any, Final

import attrs
import pytest

from conformance.suite import BackendConformance, fetch
from double.voices import RETIRED, signature_text
from speech_adapters import Attendee, Capabilities, MeetingRequest, Mode, gaps
from speech_adapters.audio import WavFile
from speech_adapters.config import Settings
from speech_adapters.contract import Recognized
from speech_adapters.errors import NoBackendError, SpeechError
from speech_adapters.meetings import MeetingService
from speech_adapters.request import SETTINGS
from speech_adapters.transcript import Utterance

__all__ = ["CLAIMS", "ClaimConformance", "Proof"]


@attrs.frozen
class Proof:
    """A text in what a run shows, see :meth:`ClaimConformance.show`.

    Attributes:
        text: the text, as JSON.
        plain: whether it shows without the wish.
        wished: whether it shows with the wish.
        error: whether it is the text of the error that the wish causes.
    """

    text: str
    plain: bool = False
    wished: bool = True
    error: bool = False


# Values of settings, as the facade passes them on; a value is not used by another wish.
_VALUES: Final = {
    "audio_logging": "true",
    "detailed": "true",
    "diarize_hypotheses": "true",
    "dictation": "DICTATION",
    "end_silence_ms": "1234",
    "endpoint_id": "my-model",
    "initial_silence_ms": "2345",
    "post_processing": "TrueText",
    "profanity": "removed",
    # Nothing listens there, so a connection fails that uses it.
    "proxy": "http://127.0.0.1:9",
    "segmentation_max_ms": "34567",
    "segmentation_silence_ms": "456",
    "segmentation_strategy": "Semantic",
}
_WISHES: Final[Mapping[str, Mapping[str, Any]]] = {
    "phrases": {"phrases": ("Winnie",)},
    "max_speakers_hint": {"max_speakers": 1},
    "detects_languages": {"languages": (("en-US", ""), ("de-DE", ""))},
    "word_timestamps": {"word_timestamps": True},
    "identification": {},  # with the fixture `signature`
    **{f"setting {name}": {"settings": {name: value}} for name, value in _VALUES.items()},
}
_WISH_TEST: Final = "test_a_wish_is_served_or_reported_as_lost"
# The test of each claim.
CLAIMS: Final = {
    "live": "test_a_live_meeting_emits_events_in_order",
    "stored": "test_another_service_fetches_a_stored_meeting_by_its_id",
    "diarization": "test_speakers_are_separated_if_that_is_wanted",
    "identification": _WISH_TEST,
    "signature_model": "test_signatures_of_the_claimed_model_are_accepted",
    "passes_signatures": "test_signatures_of_the_claimed_model_are_accepted",
    "max_speakers_hint": _WISH_TEST,
    "word_timestamps": _WISH_TEST,
    "phrases": _WISH_TEST,
    "languages": "test_only_the_claimed_languages_are_served",
    "max_channels": "test_more_channels_than_claimed_are_reported_as_lost",
    "most_speakers": "test_more_speakers_than_claimed_are_refused",
    "addresses": "test_audio_at_addresses_is_fetched_or_refused",
    "detects_languages": _WISH_TEST,
    "settings": _WISH_TEST,
}


class ClaimConformance(BackendConformance):
    """The tests of claims; a subclass overrides ``proofs`` and ``received``."""

    @pytest.fixture
    def proofs(self) -> Mapping[str, Proof]:
        """Return the proofs of what the backend serves, by the names of wishes and claims."""
        raise NotImplementedError

    @pytest.fixture
    def received(self) -> Callable[[], Any]:
        """Return a function that returns what the service received last, as plain data."""
        return lambda: None

    @pytest.fixture
    def audio_of(self, speech: Path) -> Callable[[str], Path]:
        """Return a function that returns the recording for a wish."""
        return lambda _: speech

    @pytest.fixture
    def signature(self) -> str:
        """Return the voice signature of the participant."""
        return RETIRED

    @pytest.fixture
    def claimed(self, use: Callable[..., Any]) -> Capabilities:
        """Return the capabilities of the backend."""

        async def work(meetings: MeetingService) -> Capabilities:
            return meetings.backend().capabilities

        found: Capabilities = use(work)
        return found

    @pytest.fixture
    def show(
        self, use: Callable[..., Any], claimed: Capabilities, received: Callable[[], Any]
    ) -> Callable[..., str]:
        """Return a function that transcribes a recording.

        It returns what the service received and the utterances, as JSON.
        """

        def run(audio: Path, **wished: Any) -> str:
            utterances = use(lambda meetings: _utterances(meetings, claimed, audio, wished))
            shown = [attrs.asdict(each) for each in utterances]
            return json.dumps({"received": received(), "utterances": shown}, default=str)

        return run

    def test_every_claim_has_a_test(self, settings: Settings) -> None:
        assert set(CLAIMS) == set(attrs.fields_dict(Capabilities))
        assert set(_VALUES) == set(SETTINGS)
        assert [name for name in CLAIMS.values() if not hasattr(self, name)] == []

    @pytest.mark.parametrize("wish", _WISHES)
    def test_a_wish_is_served_or_reported_as_lost(
        self,
        wish: str,
        claimed: Capabilities,
        proofs: Mapping[str, Proof],
        show: Callable[..., str],
        audio_of: Callable[[str], Path],
        request: pytest.FixtureRequest,
    ) -> None:
        fields = dict(_WISHES[wish])
        if wish == "identification":
            # A signature that can be used is expensive to make, so only where it counts.
            text = request.getfixturevalue("signature") if claimed.identification else RETIRED
            fields["attendees"] = (Attendee("katie", "en-US", text),)
        if gaps(_request(claimed, fields), claimed):
            assert wish not in proofs, "it is served, so it must be claimed"
            return
        assert wish in proofs, "it is claimed, and nothing proves it"
        proof, audio = proofs[wish], audio_of(wish)
        assert (proof.text in show(audio)) is proof.plain
        if proof.error:
            with pytest.raises(SpeechError, match=proof.text):
                show(audio, **fields)
        else:
            assert (proof.text in show(audio, **fields)) is proof.wished

    def test_speakers_are_separated_if_that_is_wanted(
        self, claimed: Capabilities, show: Callable[..., str], speech: Path
    ) -> None:
        assert '"speaker": null' in show(speech, differentiate_speakers=False)
        assert '"speaker": 0' not in show(speech, differentiate_speakers=False)
        assert ('"speaker": 0' in show(speech)) is claimed.diarization

    def test_signatures_of_the_claimed_model_are_accepted(self, claimed: Capabilities) -> None:
        texts = [RETIRED, signature_text(), signature_text(model=claimed.signature_model or "f")]
        requests = [_request(claimed, {"attendees": (Attendee("a", "", x),)}) for x in texts]
        lost = ["voice-signature" in {gap.id for gap in gaps(one, claimed)} for one in requests]
        if claimed.passes_signatures:
            assert lost == [False, False, False]
        else:
            assert lost == [True, True, not claimed.signature_model]

    @pytest.mark.parametrize("mode", [Mode.LIVE, Mode.STORED])
    def test_a_mode_that_is_not_claimed_is_refused(
        self, use: Callable[..., Any], claimed: Capabilities, mode: Mode
    ) -> None:
        served = claimed.live if mode is Mode.LIVE else claimed.stored
        assert _is_served(use, MeetingRequest("m", mode=mode)) is served

    def test_only_the_claimed_languages_are_served(
        self,
        use: Callable[..., Any],
        claimed: Capabilities,
        show: Callable[..., str],
        received: Callable[[], Any],
        speech: Path,
    ) -> None:
        if claimed.languages is None:
            assert "de-DE" not in show(speech)
            show(speech, language="de-DE")
            # Utterances have the language of the request anyhow.
            assert "de-DE" in json.dumps(received())
            return
        served = {
            tag: _is_served(use, _request(claimed, {"language": f"{tag}-XX"}))
            for tag in (*claimed.languages, "xx")
        }
        assert served == {**dict.fromkeys(claimed.languages, True), "xx": False}

    def test_more_channels_than_claimed_are_reported_as_lost(
        self,
        claimed: Capabilities,
        show: Callable[..., str],
        proofs: Mapping[str, Proof],
        speech: Path,
        tmp_path: Path,
    ) -> None:
        stereo = tmp_path / "stereo.wav"
        _write_stereo(speech, stereo)
        with WavFile(stereo) as file:
            request = _request(claimed, {"audio": file.pcm})
        lost = "channels" in {gap.id for gap in gaps(request, claimed)}
        assert lost is (claimed.max_channels == 1)
        shown = show(stereo)
        assert '"text": ' in shown
        assert lost or proofs["max_channels"].text in shown

    def test_more_speakers_than_claimed_are_refused(
        self,
        use: Callable[..., Any],
        claimed: Capabilities,
        show: Callable[..., str],
        proofs: Mapping[str, Proof],
        speech: Path,
    ) -> None:
        most = claimed.most_speakers
        wished = {"max_speakers": 100 if most is None else most}
        assert _is_served(use, _request(claimed, wished))
        if most is not None:
            assert not _is_served(use, _request(claimed, {"max_speakers": most + 1}))
            assert proofs["most_speakers"].text in show(speech, **wished)

    def test_audio_at_addresses_is_fetched_or_refused(
        self,
        use: Callable[..., Any],
        claimed: Capabilities,
        received: Callable[[], Any],
    ) -> None:
        # Nothing is there, but the service receives the address.
        address = "https://127.0.0.1:9/a.wav"
        request = _request(claimed, {"addresses": (address,)})
        if not claimed.addresses:
            assert not _is_served(use, request)
            return

        async def work(meetings: MeetingService) -> None:
            async with await meetings.open_session(request) as session:
                await session.finish()
            while address not in json.dumps(received()):
                status = await meetings.status(request.meeting_id)
                assert not status.state.final, status.reason

        use(work)


def _request(claimed: Capabilities, fields: Mapping[str, Any]) -> MeetingRequest:
    return MeetingRequest("m", mode=Mode.LIVE if claimed.live else Mode.STORED, **fields)


def _is_served(use: Callable[..., Any], request: MeetingRequest) -> bool:
    async def work(meetings: MeetingService) -> bool:
        try:
            await meetings.choose(request)
        except NoBackendError:
            return False
        return True

    served: bool = use(work)
    return served


async def _utterances(
    meetings: MeetingService, claimed: Capabilities, audio: Path, wished: Mapping[str, Any]
) -> tuple[Utterance, ...]:
    with WavFile(audio) as file:
        request = _request(claimed, {**wished, "audio": file.pcm})
        async with await meetings.open_session(request) as session:
            await session.push(file.read(100_000_000))
            await session.finish()
            events = [event async for event in session.events()]
    if claimed.live:
        # A correction has the id of the utterance that it replaces.
        latest = {e.utterance.id: e.utterance for e in events if isinstance(e, Recognized)}
        return tuple(latest.values())
    return (await fetch(meetings, "m")).utterances


def _write_stereo(mono: Path, path: Path) -> None:
    """Write a recording with the same sound in two channels."""
    with wave.open(str(mono)) as source, wave.open(str(path), "wb") as file:
        file.setparams((2, 2, source.getframerate(), 0, "NONE", ""))
        frames = source.readframes(source.getnframes())
        file.writeframes(
            b"".join(frames[at : at + 2] * 2 for at in range(0, len(frames), 2)),
        )
