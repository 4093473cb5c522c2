"""A run of the kit: each check at the service, its replay, and the same check at the double."""

from __future__ import annotations

import time
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from datetime import UTC, datetime
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import Final

import anyio
import attrs
import httpx

from double.service import KEY, ServiceDouble, running
from live.capture import RUN, recorded, replayed
from live.checks import Check, meet
from live.refusals import send_refusals
from live.shapes import (
    Difference,
    Exchange,
    compare,
    exchanges,
    exchanges_of_messages,
)
from live.sound import Sound
from live.target import Target
from live.websocket import WebsocketRecorder
from speech_adapters.config import load_settings
from speech_adapters.contract import Recognized, SessionEvent
from speech_adapters.errors import SpeechError
from speech_adapters.masking import mask
from speech_adapters.replay_script import dump_script, load_script
from speech_adapters.transcript import Provenance, Transcript
from speech_compat.testing.cassettes import origin_line
from speech_compat.testing.loopback import Line, LoopbackService, Script
from speech_compat.testing.scrubbing import Scrubber

__all__ = ["Kit", "Outcome"]

_TICKS: Final = 10_000_000
_EXPECTED: Final = (SpeechError, httpx.HTTPError, OSError)


@attrs.frozen
class Outcome:
    """The outcome of a check.

    Attributes:
        check: the test.
        result: what the service did, or why it failed, in words.
        failed: whether it failed.
        replays: the result of the replay in words; empty if there is none.
        differences: what the service does otherwise than the double.
        not_compared: why nothing was compared, in words; empty if it was.
    """

    check: Check
    result: str
    failed: bool = False
    replays: str = ""
    differences: tuple[Difference, ...] = ()
    not_compared: str = ""


@attrs.frozen(kw_only=True)
class Kit:
    """What all checks of a run share.

    Attributes:
        target: the real services.
        sound: the recording.
        folder: receives the cassettes.
        run: the name of the run, with which names of meetings and containers begin.
        minutes: the longest time of a check.
        report: called with each new step.
    """

    target: Target
    sound: Sound
    folder: Path
    run: str
    minutes: float
    report: Callable[[str], None]

    def check(self, check: Check) -> Outcome:
        """Run a check at the service and at the double."""
        begun, real, failed = time.monotonic(), list[Exchange](), False
        try:
            result = self._record(check, self.target, self.folder / f"{check.name}.yaml", real)
        except Exception as error:  # also an error of the kit: the other checks go on
            result, failed = _reason(error), True
        result = f"{result} ({time.monotonic() - begun:.0f} s)"
        replays = "" if failed else self._replay(check)
        outcome = Outcome(check, result, failed, replays)
        if check.backend == "realtime" and check.stored:
            why = "its connection is not recorded: see realtime-live"
            return attrs.evolve(outcome, not_compared=why)
        try:
            double = self._double(check)
        except Exception as error:
            return attrs.evolve(outcome, not_compared=f"the double failed: {_reason(error)}")
        if failed:
            # What the service answered before; it may be the reason.
            answered = {exchange.operation for exchange in real}
            double = [exchange for exchange in double if exchange.operation in answered]
        return attrs.evolve(outcome, differences=tuple(compare(real, double)))

    def _record(self, check: Check, target: Target, path: Path, answers: list[Exchange]) -> str:
        """Run a check, and write its cassette; return its result.

        The answers are added also if the check fails.
        """
        scrubber = Scrubber([target.key, target.storage])
        origin = origin_line(target.service(check), datetime.now(UTC), target.region)
        if check.backend == "realtime":
            return self._record_websocket(check, target, path, answers, scrubber, origin)
        try:
            with recorded(path, scrubber, self.run, origin):
                return self._run(check, target)[0]
        finally:
            answers += exchanges(path)

    def _record_websocket(
        self,
        check: Check,
        target: Target,
        path: Path,
        answers: list[Exchange],
        scrubber: Scrubber,
        origin: str,
    ) -> str:
        if check.stored:
            # A process of its own, which no recorder of this one reaches.
            return self._run(check, target)[0]
        recorder = WebsocketRecorder(target.websocket_address, scrubber)
        try:
            with recorder.running() as address:
                result, events = self._run(check, attrs.evolve(target, websocket=address))
        finally:
            recorder.write(path, origin, self.run)
            answers += exchanges_of_messages(recorder.messages)
        script = dump_script(events, Provenance("realtime", check.service))
        path.with_suffix(".jsonl").write_text(f"{origin}\n{script}", encoding="utf-8")
        return result

    def _run(self, check: Check, target: Target) -> tuple[str, list[SessionEvent]]:
        if check.refusals:
            return f"{send_refusals(target, check, self.run)} wrong requests answered", []
        meeting_id = f"{self.run}-{check.name}"
        transcript, events = self._meet(check, target, meeting_id, self.report)
        return _describe(transcript, events), events

    def _meet(
        self, check: Check, target: Target, meeting_id: str, report: Callable[[str], None]
    ) -> tuple[Transcript | None, list[SessionEvent]]:
        async def within_time() -> tuple[Transcript | None, list[SessionEvent]]:
            with anyio.fail_after(self.minutes * 60):
                return await meet(settings, check, meeting_id, self.sound, report)

        with TemporaryDirectory() as folder:
            settings = target.settings(check, Path(folder))
            return anyio.run(within_time)

    def _replay(self, check: Check) -> str:
        """Run a check again with its cassette alone; return the result in words."""
        if check.backend == "realtime":
            return self._play(check) if check.mode.live else ""
        # A key that no service accepts; the account's key is needed to sign addresses.
        target = attrs.evolve(self.target, key="replayed", container=RUN, poll_seconds=0)
        path = self.folder / f"{check.name}.yaml"
        try:
            with replayed(path, Scrubber([target.storage])):
                if check.refusals:
                    send_refusals(target, check, RUN)
                else:
                    self._meet(check, target, f"{RUN}-{check.name}", _quiet)
        except Exception as error:  # VCR.py has its own for a request that is not in a cassette
            return f"does not replay: {_reason(error)}"
        return "replays"

    def _play(self, check: Check) -> str:
        """Play the script of a live meeting with the backend ``replay``."""
        script = str(self.folder / f"{check.name}.jsonl")
        try:
            events = load_script(Path(script)).events
            with TemporaryDirectory() as folder:
                own = {"backend": "replay", "backends.replay.script": script, "state_dir": folder}
                played = anyio.run(meet, load_settings(own), check, RUN, self.sound, _quiet)[1]
        except SpeechError as error:
            return f"does not replay: {_reason(error)}"
        return "replays" if _texts(events) == _texts(played) else "replays with other results"

    def _double(self, check: Check) -> list[Exchange]:
        """Run a check at the double; return its answers."""
        answers: list[Exchange] = []
        with TemporaryDirectory() as folder, self._doubled() as target:
            quiet = attrs.evolve(self, report=_quiet)
            quiet._record(check, target, Path(folder) / "double.yaml", answers)
        return answers

    @contextmanager
    def _doubled(self) -> Iterator[Target]:
        length = int(self.sound.seconds * _TICKS)
        line = Line("A double heard this.", 0, length // 2, hypotheses=("A double",))
        service = ServiceDouble()
        with running(service) as rest, LoopbackService(Script((line,))).running() as websocket:
            yield attrs.evolve(
                self.target,
                key=KEY,
                endpoint=rest,
                websocket=f"{websocket}/stt/speech/universal/v2",
                poll_seconds=0,
            )


def _quiet(_: str) -> None:
    """Report no steps of a replay, and none of the double."""


def _describe(transcript: Transcript | None, events: list[SessionEvent]) -> str:
    """Return what was transcribed, without the text."""
    utterances = (
        [event.utterance for event in events if isinstance(event, Recognized)]
        if transcript is None
        else list(transcript.utterances)
    )
    speakers = {utterance.speaker for utterance in utterances} - {None}
    return f"{_count(len(utterances), 'utterance')}, {_count(len(speakers), 'speaker')}"


def _texts(events: Sequence[SessionEvent]) -> list[str]:
    return [event.utterance.text for event in events if isinstance(event, Recognized)]


def _count(number: int, what: str) -> str:
    return f"{number} {what}{'' if number == 1 else 's'}"


def _reason(error: Exception) -> str:
    if isinstance(error, TimeoutError):
        return "it has not ended in time"
    text = mask(str(error).partition("\n")[0])
    return text if text and isinstance(error, _EXPECTED) else f"{type(error).__name__}: {text}"
