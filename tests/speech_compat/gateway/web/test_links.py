from __future__ import annotations

from urllib.parse import parse_qsl, urlsplit

from hypothesis import given
from hypothesis import strategies as st

from speech_compat.gateway.web.links import LIFETIME_SECONDS, Links

LINKS = Links("secret", clock=lambda: 1_000.0)
TEXT = st.text(st.characters(exclude_categories=["Cs"]), max_size=20)


def _query(address: str) -> dict[str, str]:
    return dict(parse_qsl(urlsplit(address).query, keep_blank_values=True))


def test_gateways_with_the_same_secret_accept_each_others_addresses() -> None:
    query = _query(LINKS.sign("museum", "audio", {"id": "m"}))
    assert Links("secret", clock=lambda: 1_000.0).owner("audio", query) == "museum"
    assert Links("another", clock=lambda: 1_000.0).owner("audio", query) is None


def test_an_address_expires() -> None:
    now = [1_000.0]
    links = Links("secret", clock=lambda: now[0])
    query = _query(links.sign("museum", "audio", {"id": "m"}))
    now[0] += LIFETIME_SECONDS - 1
    assert links.owner("audio", query) == "museum"
    now[0] += 1
    assert links.owner("audio", query) is None


@given(owner=TEXT, meeting_id=TEXT, name=TEXT, value=TEXT)
def test_nothing_of_an_address_can_be_changed(
    owner: str, meeting_id: str, name: str, value: str
) -> None:
    query = _query(LINKS.sign(owner, "audio", {"id": meeting_id}))
    assert LINKS.owner("audio", query) == owner
    assert LINKS.owner("transcript", query) is None
    changed = {**query, name: value}
    if changed != query:
        assert LINKS.owner("audio", changed) is None
    for each in query:
        assert LINKS.owner("audio", {k: v for k, v in query.items() if k != each}) is None


def test_a_request_without_a_signature_is_not_signed() -> None:
    assert LINKS.owner("audio", {}) is None
    assert LINKS.owner("audio", {"signature": "é"}) is None
