from __future__ import annotations

import pytest

from speech_adapters.errors import StoreError
from speech_adapters.store.postgres.address import Address


def test_a_name_has_neither_user_nor_password() -> None:
    address = Address.parse("postgresql://joe:chrysanthemum@db1:5433,db2:5434/meetings")
    assert address.name == "PostgreSQL database meetings on db1:5433, db2:5434"
    assert "chrysanthemum" not in repr(address)


def test_tls_and_time_limits_of_the_address_go_before_the_defaults() -> None:
    address = Address.parse(
        "postgresql://db/m?sslmode=verify-full&sslrootcert=/ca&connect_timeout=2"
    )
    assert address.parameters["sslmode"] == "verify-full"
    assert address.parameters["sslrootcert"] == "/ca"
    assert address.parameters["connect_timeout"] == "2"
    assert address.parameters["target_session_attrs"] == "read-write"


def test_an_address_that_is_wrong_is_not_quoted() -> None:
    with pytest.raises(StoreError, match="no valid address") as caught:
        Address.parse("postgresql://joe:chrysanthemum@[db/m?unheard=of")
    assert "chrysanthemum" not in str(caught.value)
    assert caught.value.__suppress_context__
