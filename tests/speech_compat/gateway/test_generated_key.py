from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest

from speech_adapters.config import Settings, load_settings
from speech_compat.gateway.generated_key import with_generated_key
from speech_compat.gateway.options import gateway_options


def generated(folder: Path, **table: Any) -> tuple[Settings, str]:
    settings = load_settings({"state_dir": folder, "gateway": table})
    return with_generated_key(settings, gateway_options(settings))


def test_the_key_of_the_file_is_that_of_the_only_owner(tmp_path: Path) -> None:
    settings, key = generated(tmp_path, port=1)
    options = gateway_options(settings)
    assert [secret.get_secret_value() for secret in options.keys["local"]] == [key]
    assert list(options.keys) == ["local"]
    assert options.port == 1
    assert (tmp_path / "gateway.key").read_text() == f"{key}\n"
    assert generated(tmp_path)[1] == key


@pytest.mark.parametrize(
    "table",
    [
        {"keys": {"alice": "x"}},
        {"tokens": {"tenant": "6f3b1f0e-1111-2222-3333-444455556666", "audience": "a"}},
    ],
)
def test_configured_keys_and_tokens_are_the_only_ones(
    tmp_path: Path, table: dict[str, Any]
) -> None:
    settings, key = generated(tmp_path, **table)
    assert key == ""
    assert "local" not in gateway_options(settings).keys
    assert list(tmp_path.iterdir()) == []
