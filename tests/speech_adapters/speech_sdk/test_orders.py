from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest

from speech_adapters.errors import AuthenticationError
from speech_adapters.speech_sdk import orders
from speech_adapters.speech_sdk.options import Access
from speech_adapters.speech_sdk.orders import SdkOrder, access_fields


class Order(SdkOrder):
    backend = "realtime"


def passed_on(access: Access) -> Access:
    """Return the access that a worker has which receives the order as text."""
    order = Order(state_dir=Path("state"), recording="r", **access_fields(access))
    return Order.model_validate_json(order.model_dump_json()).access()


@pytest.mark.parametrize(
    "access",
    [
        Access(key="k", region="r"),
        Access(key="k", endpoint="wss://h/p", resource_id="id"),
    ],
)
def test_endpoint_and_key_reach_the_worker(access: Access) -> None:
    assert passed_on(access) == access


def test_the_token_that_is_valid_now_reaches_the_worker() -> None:
    assert (
        passed_on(Access(token=lambda: "t", endpoint="wss://h/p")).token_provider().token() == "t"
    )


def test_a_program_without_a_token_starts_no_worker() -> None:
    with pytest.raises(AuthenticationError, match="token is empty"):
        access_fields(Access(token=lambda: "", endpoint="wss://h/p"))


def test_a_worker_has_a_default_credential_of_its_own(monkeypatch: pytest.MonkeyPatch) -> None:
    created: list[str] = []

    def default_credential(backend: str) -> Any:
        created.append(backend)
        return "credential of the worker"

    monkeypatch.setattr(orders, "default_credential", default_credential)
    found = passed_on(Access(credential=object(), endpoint="wss://h/p"))
    assert found.credential == "credential of the worker"
    assert (found.key, found.token, created) == ("", None, ["realtime"])
