"""What a client receives over several connections; the meetings have scripted sessions."""

from __future__ import annotations

from pathlib import Path

from double.running_meeting import AUDIO, SECOND, TALK, FakeClient, Running, javascript, run, turn
from double.scripted_backend import Script, said
from speech_adapters.contract import Hypothesis, Mode, NoMatch, Recognized
from speech_adapters.errors import StoreError


def test_what_a_client_has_missed_is_sent_again_and_audio_is_accepted_once(tmp_path: Path) -> None:
    async def work(running: Running) -> None:
        await running.push(1)
        await running.settle()
        received = running.client.token
        await running.push(2)
        await running.settle()
        assert running.client.texts == ["one", "two"], "but the second is lost"
        running.meeting.detach(running.client)
        again = FakeClient()
        await running.meeting.attach(again, turn(SECOND, received, "Second"))
        assert again.texts == ["two"]
        assert again.offset("two") == 0
        assert again.messages[0].request_id == "Second"
        # From the end of "one" on: two seconds are known, one is new.
        await running.push(3)
        await running.meeting.finish_turn()
        await running.meeting.done.wait()
        assert again.texts == ["two", "three", "EndOfDictation"]
        assert again.offset("three") == 2 * SECOND
        assert len(running.session.audio) == 4 * len(AUDIO)

    run(tmp_path, TALK, work)


def test_results_without_a_connection_wait_for_the_next_one(tmp_path: Path) -> None:
    async def work(running: Running) -> None:
        await running.push(1)
        await running.settle()
        received = running.client.token
        running.client.gone = True
        await running.push(1)
        await running.settle()
        assert not running.meeting.attached
        again = FakeClient()
        await running.meeting.attach(again, turn(SECOND, received))
        assert again.texts == ["two"]

    run(tmp_path, TALK, work)


def test_a_connection_that_is_half_open_is_replaced(tmp_path: Path) -> None:
    async def work(running: Running) -> None:
        again = FakeClient()
        await running.meeting.attach(again, turn())
        assert running.client.dropped
        # The end of the old connection is no end of the new one.
        running.meeting.detach(running.client)
        assert running.meeting.attached
        await running.push(1)
        await running.settle()
        assert again.texts == ["one"]

    run(tmp_path, TALK, work)


def test_a_reconnect_after_the_end_of_the_audio(tmp_path: Path) -> None:
    async def work(running: Running) -> None:
        await running.push(4)
        running.client.gone = True
        await running.meeting.finish_turn()
        await running.meeting.done.wait()
        again = FakeClient()
        late = turn(SECOND, "", "Second")
        assert running.meeting.continues(late, running.request)
        await running.meeting.attach(again, late)
        # The end is sent once the client has repeated its audio.
        assert again.texts == ["two", "three"]
        await running.push(3)
        await running.meeting.finish_turn()
        assert again.texts == ["two", "three", "EndOfDictation"]
        assert again.paths[-1] == "turn.end"
        assert len(running.session.audio) == 4 * len(AUDIO)
        # The next turn is a new start: the end was received.
        after = turn(4 * SECOND, again.token)
        assert not running.meeting.continues(after, running.request)

    run(tmp_path, TALK, work)


def test_a_correction_does_not_move_the_client_back(tmp_path: Path) -> None:
    corrected = Recognized(said("one", 0, 1, 1), correction=True)
    script = Script([*TALK.events[1:3], (3, corrected)])

    async def work(running: Running) -> None:
        await running.push(3)
        await running.settle()
        client = running.client
        assert client.texts == ["one", "two", "one"]
        assert client.paths[-1] == "gateway.ack"
        offset = client.messages[-1].headers["x-continuation-audio-streams-1-offset"]
        assert offset == str(2 * SECOND)

    run(tmp_path, script, work)


def test_silence_is_acknowledged(tmp_path: Path) -> None:
    async def work(running: Running) -> None:
        await running.push(12)
        offsets = [
            message.headers["x-continuation-audio-streams-1-offset"]
            for message in running.client.messages
        ]
        assert offsets == [str(5 * SECOND), str(10 * SECOND)]

    run(tmp_path, Script(), work)


def test_acknowledgements_are_positions_of_the_turn(tmp_path: Path) -> None:
    async def work(running: Running) -> None:
        await running.push(5)
        (message,) = running.client.messages
        assert message.headers["x-continuation-audio-streams-1-offset"] == str(5 * SECOND)

    run(tmp_path, Script(), work, start=7 * SECOND, held=7 * SECOND)


def test_the_javascript_client_gets_no_acknowledgement(tmp_path: Path) -> None:
    script = Script([(6, Recognized(said("one", 0, 6))), (7, NoMatch(6 * SECOND, SECOND))])

    async def work(running: Running) -> None:
        await running.push(8)
        await running.settle()
        assert running.client.texts == ["one", "NoMatch"]
        assert running.client.paths == ["speech.phrase"] * 2

    run(tmp_path, script, work, first=javascript())


def test_a_reconnect_in_time_keeps_the_meeting(tmp_path: Path) -> None:
    async def work(running: Running) -> None:
        running.meeting.detach(running.client)
        await running.meeting.attach(FakeClient(), turn())
        assert running.meeting._delivery._timer is None
        assert not running.meeting.done.is_set()

    run(tmp_path, TALK, work, reconnect_seconds="3600")


def test_the_results_of_a_recording_that_was_taken_over_are_not_repeated(tmp_path: Path) -> None:
    async def work(running: Running) -> None:
        # The session recognizes all of it again.
        running.session._send(2)
        await running.settle()
        assert running.client.messages == []
        running.session._send(4)
        await running.settle()
        assert running.client.texts == ["three"]
        assert running.client.offset("three") == SECOND

    run(tmp_path, TALK, work, Mode.BOTH, start=0, held=2 * SECOND)


def test_the_end_waits_for_the_audio_of_the_present_turn(tmp_path: Path) -> None:
    async def work(running: Running) -> None:
        await running.push(2)
        await running.settle()
        # The session has the whole meeting, and this client repeats a part of it.
        again = FakeClient()
        await running.meeting.attach(again, turn(SECOND, running.client.token))
        await running.meeting._delivery.end()
        assert "EndOfDictation" not in again.texts
        await running.meeting.finish_turn()
        assert again.texts[-1] == "EndOfDictation"

    run(tmp_path, TALK, work)


def test_nothing_follows_the_end_of_a_turn(tmp_path: Path) -> None:
    async def work(running: Running) -> None:
        await running.push(1)
        await running.meeting.finish_turn()
        await running.meeting.done.wait()
        received = len(running.client.messages)
        assert running.client.paths[-1] == "turn.end"
        await running.meeting._delivery.fail(StoreError("The upload failed."))
        assert len(running.client.messages) == received

    run(tmp_path, TALK, work)


def test_an_utterance_that_has_not_ended_is_not_acknowledged(tmp_path: Path) -> None:
    script = Script([(3, Hypothesis(said("one", 2, 3)))])

    async def work(running: Running) -> None:
        await running.push(4)
        await running.settle()
        await running.push(6)
        (ack,) = (m for m in running.client.messages if m.path == "gateway.ack")
        assert ack.headers["x-continuation-audio-streams-1-offset"] == str(2 * SECOND)

    run(tmp_path, script, work)


def test_the_javascript_client_continues_after_the_last_result_that_was_sent(
    tmp_path: Path,
) -> None:
    async def work(running: Running) -> None:
        await running.push(1)
        await running.settle()
        running.client.gone = True
        await running.push(1)
        await running.settle()
        again = FakeClient()
        await running.meeting.attach(again, javascript())
        assert again.texts == ["two"]
        assert again.offset("two") == 0
        await running.push(3)
        assert len(running.session.audio) == 4 * len(AUDIO)

    run(tmp_path, TALK, work, first=javascript())


def test_the_javascript_client_receives_corrections_and_hypotheses_as_they_are(
    tmp_path: Path,
) -> None:
    corrected = Recognized(said("one", 0, 1, 1), correction=True)
    script = Script([*TALK.events[1:3], (3, corrected), (3, Hypothesis(said("four", 1, 3)))])

    async def work(running: Running) -> None:
        await running.push(2)
        await running.settle()
        again = FakeClient()
        await running.meeting.attach(again, javascript())
        await running.push(1)
        await running.settle()
        assert again.paths == ["speech.phrase", "speech.hypothesis"]
        # It adds the start of the turn, which is 2 s.
        assert [m.document()["Offset"] for m in again.messages] == [-2 * SECOND, -SECOND]

    run(tmp_path, script, work, first=javascript())
