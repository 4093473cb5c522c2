"""The web page in a real Chromium, against a gateway on loopback."""

from __future__ import annotations

import re
import threading
from collections.abc import Callable
from pathlib import Path
from typing import Any

import attrs
import pytest

from double.gateway import serving
from double.node import need_node, run_node
from double.web import (
    HOSTILE,
    KEY,
    OTHER_KEY,
    Meetings,
    chromium_or_skip,
    minutes,
)
from speech_adapters.audio import PcmFormat
from speech_adapters.contract import JobState

PLANNING = "Weekly planning"
# What the list shows for a value that is not known yet.
NONE = "\N{EN DASH}"


class Browser:
    """Runs scenarios of ``tests/node/web_page.mjs``."""

    def __init__(self, meetings: Meetings, folder: Path) -> None:
        self.meetings = meetings
        self.folder = folder
        self._chromium = chromium_or_skip()

    def run(self, scenario: str, key: str = KEY, change: Callable[[], Any] | None = None) -> Any:
        """Run a scenario; ``change`` is called when the scenario is ready for it."""
        over = threading.Event()
        changing = threading.Thread(target=self._change, args=(change, over))
        with serving(self.meetings.settings) as address:
            changing.start()
            try:
                found = run_node(
                    "web_page.mjs", self._chromium, f"{address}/", scenario, key, str(self.folder)
                )
            finally:
                over.set()
                changing.join()
        assert found.pop("foreign") == []
        return found

    def _change(self, change: Callable[[], Any] | None, over: threading.Event) -> None:
        while change is not None and not over.wait(0.05):
            if (self.folder / "ready").exists():
                change()
                return


@pytest.fixture
def browser(meetings: Meetings, tmp_path: Path) -> Browser:
    need_node("playwright-core")
    return Browser(meetings, tmp_path)


@pytest.fixture
def several(browser: Browser) -> Browser:
    browser.meetings.add("budget-2027", JobState.FAILED, audio=PcmFormat())
    browser.meetings.add(PLANNING, audio=PcmFormat())
    browser.meetings.add("Interview", JobState.PROCESSING, progress=0.42, step="Recognizing speech")
    browser.meetings.add("live-from-room-4", JobState.UPLOADING)
    return browser


def test_a_key_opens_the_page_and_stays_in_its_tab(several: Browser) -> None:
    found = several.run("signing_in")
    assert found == {
        "refused": "The gateway did not accept this key.",
        # Session storage, local storage, cookies.
        "stored": [[KEY], 0, ""],
        "after": 0,
        "key_in_address": False,
        "errors": [],
    }


def test_the_list_shows_state_progress_duration_and_speakers(several: Browser) -> None:
    found = several.run("listing")
    assert found["headers"] == ["Meeting", "State", "Started", "Duration", "Speakers"]
    without_time = [[*row[:2], *row[3:]] for row in found["rows"]]
    assert without_time == [
        ["live-from-room-4", "Recording", NONE, NONE],
        ["Interview", "Processing\n42 % · Recognizing speech", "2:07", NONE],
        [PLANNING, "Completed", "2:07", "4"],
        ["budget-2027", "Failed", "2:07", NONE],
    ]
    assert found["progress"] == [0.42]
    assert found["errors"] == []


def test_a_refresh_keeps_the_focus_and_the_rows(browser: Browser) -> None:
    recording = browser.meetings.add("changing", JobState.PROCESSING, progress=0.1)

    def change() -> None:
        browser.meetings.add("new", JobState.UPLOADING)
        browser.meetings.complete(recording, minutes("changing"))

    assert browser.run("refreshing", change=change) == {
        "focused": "changing",
        "same_element": True,
        "rows": ["new", "changing"],
        "errors": [],
    }


def test_a_lost_connection_is_reported_and_the_list_stays(several: Browser) -> None:
    found = several.run("losing_the_connection")
    assert found["problem"] == "The gateway cannot be reached."
    assert len(found["rows"]) == 4


def test_the_list_has_pages(browser: Browser) -> None:
    for number in range(53):
        browser.meetings.add(f"m{number}", JobState.FAILED)
    found = browser.run("paging")
    assert found["newest"] == [f"m{number}" for number in range(52, 2, -1)]
    assert found["older"] == ["m2", "m1", "m0"]
    assert found["back"] == found["newest"]


def test_without_meetings_the_page_explains_how_to_send_one(browser: Browser) -> None:
    text = browser.run("empty")["text"]
    assert re.search(r" ws://127\.0\.0\.1:\d+/speech/recognition/multiaudio\.", text)
    assert "transcriptionMode" in text


def test_a_meeting_has_transcript_timeline_player_and_origin(several: Browser) -> None:
    found = several.run("meeting")
    assert found["title"] == f"{PLANNING} · Meetings"
    assert found["lines"] == len(minutes(PLANNING).utterances)
    assert found["first"].split("\n")[:2] == ["0:02", "Guest-1"]
    assert found["lanes"] == ["Guest-1", "Guest-2", "Guest-3", "katie@example.com"]
    assert len(set(found["colors"])) == 4
    assert found["duration"] == pytest.approx(minutes(PLANNING).duration / 10_000_000, abs=0.1)
    assert "because the connection was lost" in found["provenance"]
    assert "estimated" in found["provenance"]
    assert found["errors"] == []


def test_timeline_and_transcript_seek_by_pointer_and_keyboard(several: Browser) -> None:
    found = several.run("seeking")
    assert found["middle"] == pytest.approx(found["length"] / 2, abs=1)
    assert found["middle_text"].startswith("I would rather wait.")
    assert found["stops"] == 1
    assert found["part"] == "Guest-2 at 0:08, 5 s"
    assert found["lane_text"].startswith("Good morning. Yes, please")
    assert found["transcript_text"] == "Then you go first."
    # The audio played, and the page followed it.
    assert found["played_text"].startswith("The first one is the archive.")
    assert found["visible"]
    # Until its reader scrolls.
    assert found["follows"] == [True, False]
    assert found["errors"] == []


def test_the_player_renews_its_address_when_it_has_expired(several: Browser) -> None:
    assert several.run("expired_audio") == {"requests": 1, "errors": []}


def test_all_formats_and_the_audio_are_downloaded(several: Browser) -> None:
    done = several.run("downloads")
    files = {label: name for label, (name, _, _) in done["found"].items()}
    assert files == {
        "Text": "Weekly_planning.txt",
        "JSON": "Weekly_planning.json",
        "WebVTT": "Weekly_planning.vtt",
        "SubRip": "Weekly_planning.srt",
        "RTTM": "Weekly_planning.rttm",
        "HTML": "Weekly_planning.html",
        "Audio": "Weekly_planning.wav",
    }
    assert done["found"]["WebVTT"][2].startswith("WEBVTT")
    assert done["found"]["HTML"][2].startswith("<!doctype html>")
    assert done["found"]["Audio"][2].startswith("RIFF")
    assert not done["key_in_address"]
    assert done["errors"] == []


def test_a_meeting_is_deleted_by_keyboard_after_a_question(browser: Browser) -> None:
    browser.meetings.add(PLANNING, audio=PcmFormat())
    assert browser.run("deleting_by_keyboard") == {
        # The harmless button has the focus, and Escape returns it to where it was.
        "first": "Cancel",
        "back": "Delete…",
        "announced": "The meeting was deleted.",
        "focused": "Meetings",
        "errors": [],
    }


def test_landmarks_skip_link_and_focus(several: Browser) -> None:
    assert several.run("skipping") == {
        "arrived": "H1",
        "first": "Skip to the content",
        "shown": True,
        "focused": "main",
        "landmarks": [1, 1],
        "errors": [],
    }


def test_a_failed_meeting_has_its_reason_and_is_retried(several: Browser) -> None:
    found = several.run("failing")
    assert "it ran out of memory" in found["text"]
    assert found["announced"] == "The meeting is now processing."


def test_the_transcript_appears_when_the_processing_completes(browser: Browser) -> None:
    recording = browser.meetings.add(
        "changing", JobState.PROCESSING, progress=0.42, step="Recognizing speech"
    )
    found = browser.run(
        "completing", change=lambda: browser.meetings.complete(recording, minutes("changing"))
    )
    assert found == {
        "announced": "The meeting is now completed.",
        "focused": "Delete…",
        "errors": [],
    }


def test_texts_of_clients_are_shown_as_text(browser: Browser) -> None:
    utterances = tuple(
        attrs.evolve(utterance, text=HOSTILE, participant=HOSTILE)
        for utterance in minutes(HOSTILE).utterances
    )
    browser.meetings.add(HOSTILE, transcript=attrs.evolve(minutes(HOSTILE), utterances=utterances))
    found = browser.run("hostile")
    for place in ("listed", "heading", "line", "dialog"):
        assert found[place] == HOSTILE
    assert found["file"] == "img_src_x_onerror_window.broken_1_.._2e_2e_amp_7_7_gnp.exe.txt"
    assert (found["images"], found["broken"]) == (0, None)
    # The policy stops a text that a script of the page would parse.
    assert found["mistake"] == "TypeError"


def test_the_page_is_dark_where_the_system_is(several: Browser) -> None:
    found = several.run("dark")
    assert found == {"colors": ["rgb(16, 20, 27)", "rgb(231, 235, 241)"], "errors": []}


def test_a_narrow_screen_needs_no_sideways_scrolling(several: Browser) -> None:
    assert several.run("narrow") == {"list": 0, "meeting": 0, "failed": 0, "errors": []}


def test_another_key_shows_nothing_of_a_meeting(several: Browser) -> None:
    text = several.run("another_owner", OTHER_KEY)["text"]
    assert "There is no" in text
    assert PLANNING not in text


def test_a_transcript_of_eight_hours_is_laid_out_in_parts(browser: Browser) -> None:
    browser.meetings.add("long", transcript=minutes("long", rounds=238))
    found = browser.run("large")
    assert found["lines"] == 4_998
    assert found["laid_out"] < 100
    # Utterances too close to be told apart are one part of the timeline.
    assert found["rects"] < 1_500
    assert found["errors"] == []
