from __future__ import annotations

from pathlib import Path

import pytest

from speech_adapters.contract import JobState, MeetingRequest, Mode
from speech_adapters.meetings import Meetings
from speech_adapters.store import Recording

REQUEST = MeetingRequest("m", mode=Mode.STORED)


@pytest.mark.parametrize("left", ["Uploading", "Processing"])
def test_what_another_backend_recorded_is_left_to_it(tmp_path: Path, left: str) -> None:
    """Its audio was not given to this one, and may be meant to stay on the machine."""
    heard: list[Recording] = []
    theirs = Meetings(tmp_path, "theirs", lambda _: None)
    recording, keeper = theirs.begin(REQUEST)
    recording.audio_path.write_bytes(bytes(3_200))
    if left == "Processing":
        keeper.hand_over(3_200)
    keeper.release(True)
    ours = Meetings(tmp_path, "ours", heard.append)
    assert ours.advance("m").state is JobState.PROCESSING
    ours.begin(REQUEST)[1].release(True)
    assert heard == []
    mine = Meetings(tmp_path, "theirs", heard.append)
    mine.advance("m")
    assert [found.id for found in heard] == [recording.id]
    for meetings in (theirs, ours, mine):
        meetings.close()
