from __future__ import annotations

from collections.abc import Iterator
from typing import Any

import pytest
from starlette.testclient import TestClient

from double.web import HOSTILE, KEY, OTHER_KEY, Meetings, minutes
from speech_adapters.audio import PcmFormat
from speech_adapters.config import load_settings
from speech_adapters.contract import JobState
from speech_adapters.export import FORMATS, SUFFIXES, render
from speech_compat.gateway.app import create_app
from speech_compat.gateway.service import Gateway

ENDPOINTS = [
    ("GET", "meetings"),
    ("GET", "meeting"),
    ("DELETE", "meeting"),
    ("POST", "meeting/retry"),
    ("GET", "meeting/links"),
    ("GET", "meeting/transcript"),
    ("GET", "meeting/audio"),
]
OF_A_MEETING = ENDPOINTS[1:]


@pytest.fixture
def client(meetings: Meetings) -> Iterator[TestClient]:
    with TestClient(create_app(Gateway(meetings.settings)), base_url="http://gateway") as client:
        client.headers["Ocp-Apim-Subscription-Key"] = KEY
        yield client


def _get(client: TestClient, path: str, **query: Any) -> Any:
    response = client.get(f"/web/v1/{path}", params=query)
    assert response.status_code == 200, response.text
    return response.json()


@pytest.mark.parametrize(("method", "path"), ENDPOINTS)
@pytest.mark.parametrize("key", ["", "wrong", f"{KEY}x"])
def test_every_endpoint_refuses_a_wrong_key(
    client: TestClient, meetings: Meetings, method: str, path: str, key: str
) -> None:
    meetings.add("planning", audio=PcmFormat())
    client.headers["Ocp-Apim-Subscription-Key"] = key
    response = client.request(method, f"/web/v1/{path}", params={"id": "planning"})
    assert response.status_code == 401
    assert set(response.json()["error"]) == {"code", "message"}


@pytest.mark.parametrize(("method", "path"), OF_A_MEETING)
def test_no_endpoint_reaches_the_meeting_of_another_owner(
    client: TestClient, meetings: Meetings, method: str, path: str
) -> None:
    meetings.add("planning", audio=PcmFormat())
    client.headers["Ocp-Apim-Subscription-Key"] = OTHER_KEY
    for meeting_id in ("planning", "museum/planning", "../museum/planning"):
        response = client.request(method, f"/web/v1/{path}", params={"id": meeting_id})
        assert (response.status_code, response.json()["error"]["code"]) == (404, "NotFound")
    client.headers["Ocp-Apim-Subscription-Key"] = KEY
    assert _get(client, "meeting", id="planning")["transcript"]


@pytest.mark.parametrize(("method", "path"), OF_A_MEETING)
def test_every_endpoint_of_a_meeting_needs_an_id(
    client: TestClient, method: str, path: str
) -> None:
    for query in ({}, {"id": ""}):
        response = client.request(method, f"/web/v1/{path}", params=query)
        assert (response.status_code, response.json()["error"]["code"]) == (400, "BadRequest")


def test_the_list_has_the_meetings_of_the_caller_with_their_progress(
    client: TestClient, meetings: Meetings
) -> None:
    meetings.add("done", audio=PcmFormat())
    meetings.add("failed", JobState.FAILED)
    meetings.add("busy", JobState.PROCESSING, progress=0.25, step="Recognizing speech")
    meetings.add("recording", JobState.UPLOADING)
    meetings.add("foreign", owner="library")
    recording, busy, failed, done = _get(client, "meetings")["meetings"]
    assert [m["id"] for m in (recording, busy, failed, done)] == [
        "recording", "busy", "failed", "done",
    ]  # fmt: skip
    assert (recording["state"], recording["duration"]) == ("Uploading", None)
    assert (busy["state"], busy["progress"], busy["step"]) == (
        "Processing", 0.25, "Recognizing speech",
    )  # fmt: skip
    assert (failed["state"], failed["speakers"]) == ("Failed", None)
    assert (done["state"], done["speakers"], done["duration"], done["has_audio"]) == (
        "Completed", 4, minutes("done").duration, True,
    )  # fmt: skip
    assert done["created"].endswith("+00:00")


def test_the_list_comes_in_pages(client: TestClient, meetings: Meetings) -> None:
    for number in range(5):
        meetings.add(f"m{number}", JobState.UPLOADING)
    found, before = [], None
    for size in (2, 2, 1):
        page = _get(client, "meetings", limit=2, **({"before": before} if before else {}))
        assert len(page["meetings"]) == size
        found += [meeting["id"] for meeting in page["meetings"]]
        before = page["before"]
    assert found == ["m4", "m3", "m2", "m1", "m0"]
    assert before is None


@pytest.mark.parametrize("limit", ["0", "-1", "many", "1e3", "9" * 30])
def test_a_limit_must_be_a_positive_number(client: TestClient, limit: str) -> None:
    response = client.get("/web/v1/meetings", params={"limit": limit})
    assert response.status_code == 400


def test_a_deleted_meeting_is_in_no_list(client: TestClient, meetings: Meetings) -> None:
    for number in range(3):
        meetings.add(f"m{number}")
    assert client.delete("/web/v1/meeting", params={"id": "m1"}).status_code == 204
    page = _get(client, "meetings", limit=2)
    assert [meeting["id"] for meeting in page["meetings"]] == ["m2", "m0"]
    assert page["before"] is None
    assert client.get("/web/v1/meeting", params={"id": "m1"}).status_code == 404


def test_a_meeting_has_its_transcript_with_labels_and_origin(
    client: TestClient, meetings: Meetings
) -> None:
    meetings.add("planning")
    found = _get(client, "meeting", id="planning")["transcript"]
    assert found["speakers"] == ["Guest-1", "Guest-2", "Guest-3", "katie@example.com"]
    assert found["utterances"][0] == {
        "speaker": 0,
        "offset": 20_000_000,
        "duration": minutes("planning").utterances[0].duration,
        "text": "Good morning, everybody. Shall we begin? Maria has to leave at a quarter to ten.",
    }
    assert found["provenance"]["backend"] == "local"
    assert found["provenance"]["notes"] == list(minutes("planning").provenance.notes)
    assert found["provenance"]["emulated"] == list(minutes("planning").provenance.emulated)


def test_a_failed_meeting_has_its_reason_and_is_retried(
    client: TestClient, meetings: Meetings
) -> None:
    meetings.add("budget", JobState.FAILED, audio=PcmFormat(), reason="The disk was full.")
    found = _get(client, "meeting", id="budget")
    assert (found["state"], found["reason"], found["transcript"]) == (
        "Failed", "The disk was full.", None,
    )  # fmt: skip
    retried = client.post("/web/v1/meeting/retry", params={"id": "budget"})
    assert (retried.status_code, retried.json()) == (200, {"state": "Processing"})
    assert _get(client, "meeting", id="budget")["state"] == "Processing"


def test_a_meeting_without_audio_is_not_retried(client: TestClient, meetings: Meetings) -> None:
    meetings.add("budget", JobState.FAILED)
    response = client.post("/web/v1/meeting/retry", params={"id": "budget"})
    assert response.status_code == 409


def test_a_meeting_that_is_processed_has_no_files(client: TestClient, meetings: Meetings) -> None:
    meetings.add("busy", JobState.PROCESSING)
    assert _get(client, "meeting/links", id="busy")["files"] == {}
    for path in ("transcript", "audio"):
        response = client.get(f"/web/v1/meeting/{path}", params={"id": "busy"})
        assert response.status_code in (404, 409)


@pytest.mark.parametrize("name", FORMATS)
def test_the_transcript_is_downloaded_in_every_format(
    client: TestClient, meetings: Meetings, name: str
) -> None:
    meetings.add("planning")
    response = client.get("/web/v1/meeting/transcript", params={"id": "planning", "format": name})
    assert response.text == render(minutes("planning"), name)
    assert f'filename="planning.{SUFFIXES[name]}"' in response.headers["content-disposition"]
    assert response.headers["content-disposition"].startswith("attachment; ")
    assert response.headers["x-content-type-options"] == "nosniff"
    assert "sandbox" in response.headers["content-security-policy"]


def test_an_unknown_format_is_refused(client: TestClient, meetings: Meetings) -> None:
    meetings.add("planning")
    response = client.get("/web/v1/meeting/transcript", params={"id": "planning", "format": "pdf"})
    assert response.status_code == 400
    assert "vtt" in response.json()["error"]["message"]


@pytest.mark.parametrize(
    ("meeting_id", "plain", "encoded"),
    [
        (HOSTILE, "img_src_x_onerror_window.broken_1_.._2e_2e_amp_7_7_gnp.exe", None),
        ('a"; filename="x.exe\r\nset-cookie: a=b', "a_filename_x.exe_set-cookie_a_b", None),
        ("../../etc/passwd", "etc_passwd", None),
        (".. ..", "meeting", None),
        ("Überblick 3", "_berblick_3", "%C3%9Cberblick_3"),
        ("会" * 100, "_" * 60, "%E4%BC%9A" * 60),
    ],
)
def test_a_file_name_is_safe_whatever_the_id_is(
    client: TestClient, meetings: Meetings, meeting_id: str, plain: str, encoded: str | None
) -> None:
    meetings.add(meeting_id)
    response = client.get("/web/v1/meeting/transcript", params={"id": meeting_id})
    assert response.headers["content-disposition"] == (
        f"attachment; filename=\"{plain}.txt\"; filename*=UTF-8''{encoded or plain}.txt"
    )


def test_any_text_is_an_id(client: TestClient, meetings: Meetings) -> None:
    meetings.add(HOSTILE)
    assert _get(client, "meetings")["meetings"][0]["id"] == HOSTILE
    assert _get(client, "meeting", id=HOSTILE)["id"] == HOSTILE
    assert client.delete("/web/v1/meeting", params={"id": HOSTILE}).status_code == 204
    assert _get(client, "meetings")["meetings"] == []


def test_a_signed_address_needs_no_key_and_serves_one_file_only(
    client: TestClient, meetings: Meetings
) -> None:
    meetings.add("planning", audio=PcmFormat())
    meetings.add("other")
    files = _get(client, "meeting/links", id="planning")["files"]
    assert set(files) == {*FORMATS, "audio"}
    del client.headers["Ocp-Apim-Subscription-Key"]
    for name, address in files.items():
        assert KEY not in address
        assert client.get(f"/{address}").status_code == 200, name
        assert client.get(f"/{address}".replace("id=planning", "id=other")).status_code == 401
        assert client.get(f"/{address}".replace("owner=museum", "owner=library")).status_code == 401
        assert client.delete(f"/{address}").status_code == 405
        meeting = address.replace("/transcript?", "?").replace("/audio?", "?")
        assert client.get(f"/{meeting}").status_code == 401
        assert client.delete(f"/{meeting}").status_code == 401


def test_a_key_that_is_removed_ends_its_signed_addresses(
    client: TestClient, meetings: Meetings
) -> None:
    meetings.add("planning")
    address = _get(client, "meeting/links", id="planning")["files"]["text"]
    for owner, status in (("museum", 200), ("library", 401)):
        keys = {"gateway.keys." + owner: OTHER_KEY}
        state = str(meetings.settings.state_dir)
        settings = load_settings({"state_dir": state, "backend": "batch", **keys})
        with TestClient(create_app(Gateway(settings))) as restarted:
            assert restarted.get(f"/{address}").status_code == status


def test_answers_are_kept_in_no_cache_and_run_nothing(
    client: TestClient, meetings: Meetings
) -> None:
    meetings.add("planning", audio=PcmFormat())
    for path in ("meetings", "meeting", "meeting/links", "meeting/transcript", "meeting/audio"):
        response = client.get(f"/web/v1/{path}", params={"id": "planning"})
        assert response.headers["cache-control"] == "no-store", path
        assert response.headers["content-security-policy"] == "default-src 'none'; sandbox", path


def test_errors_contain_nothing_of_the_store(client: TestClient, meetings: Meetings) -> None:
    meetings.add("planning", JobState.PROCESSING)
    for meeting_id in ("planning", "unknown"):
        response = client.get("/web/v1/meeting/transcript", params={"id": meeting_id})
        assert "museum" not in response.text
        assert str(meetings.settings.state_dir) not in response.text
