from __future__ import annotations

import pytest

from speech_adapters.masking import mask

SAS = "sv=2024-11-04&se=2026-01-01T00%3A00Z&sp=r&sig=SECRET%2Bx%3D"
SPEECH_KEY = "SECRET0123456789abcdef" + "A" * 62
STORAGE_KEY = "SECRET+/" + "b" * 78 + "=="
JWT = "eyJSECRETA.eyJSECRETB.SECRETC"


@pytest.mark.parametrize(
    ("text", "masked"),
    [
        (f"GET https://a.blob.core.windows.net/b?{SAS}", "GET https://a.blob.core.windows.net/b"),
        (f'"https://a/b?{SAS}" and "https://a/c?{SAS}".', '"https://a/b" and "https://a/c".'),
        ("wss://host/path?SECRET failed", "wss://host/path failed"),
        (f"/container/blob?{SAS} is gone", "/container/blob is gone"),
        (f"{SAS} expired", "sv=2024-11-04&se=2026-01-01T00%3A00Z&sp=r&sig=*** expired"),
        ("Ocp-Apim-Subscription-Key: SECRET, refused", "Ocp-Apim-Subscription-Key: ***, refused"),
        ('{"subscription-key": "SECRET"}', '{"subscription-key": "***"}'),
        ("AccountName=a;AccountKey=SECRET==;X=1", "AccountName=a;AccountKey=***;X=1"),
        ("SharedAccessSignature=SECRET;B=https://a/", "SharedAccessSignature=***;B=https://a/"),
        ("Authorization: Bearer SECRET.x-y_z refused", "Authorization: Bearer *** refused"),
        ("authorization=Bearer%20SECRET&x=1", "authorization=Bearer%20***"),
        ("token=SECRET key=SECRET password: SECRET", "token=*** key=*** password: ***"),
        (f"the value {JWT}, as it was", "the value ***, as it was"),
        (f"key {SPEECH_KEY} is wrong", "key *** is wrong"),
        (f"key {STORAGE_KEY} is wrong", "key *** is wrong"),
        ("proxy http://user:SECRET@proxy:80/", "proxy http://***@proxy:80/"),
    ],
)
def test_a_secret_is_masked_and_the_text_around_it_stays(text: str, masked: str) -> None:
    assert "SECRET" not in mask(text)
    assert mask(text) == masked


@pytest.mark.parametrize(
    "text",
    [
        "Is there a job? Check the region.",
        "Access denied due to invalid subscription key or wrong API endpoint.",
        "The token is expired. Check key, region and roles.",
        "request id 75013e73-8a1f-4f0c-9d7e-1f0e5a0a0a0a",
        "recording " + "0123456789abcdef" * 2,
        "https://westeurope.api.cognitive.microsoft.com/speechtotext/transcriptions/1",
        "",
    ],
)
def test_text_without_a_secret_stays_as_it_is(text: str) -> None:
    assert mask(text) == text


def test_masked_text_stays_masked() -> None:
    text = f"https://user:p@host/x?{SAS} Bearer SECRET key=SECRET {JWT} {SPEECH_KEY}"
    assert mask(mask(text)) == mask(text)


@pytest.mark.parametrize(
    "piece",
    ["a.", "a://", "eyJ-", "eyJa.", "?a", "?a=", "://a", "Bearer ", "key=", "token ", "sig ", "A"],
)
def test_a_hostile_text_of_a_megabyte_is_masked_in_one_pass(piece: str) -> None:
    """With a pattern that begins anew at each piece this would take hours."""
    text = piece * (1_000_000 // len(piece))
    assert "S3CRET" not in mask(f"{text} https://h/x?sig=S3CRET")
