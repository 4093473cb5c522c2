from __future__ import annotations

import dataclasses

import pytest

from speech_compat import CancellationErrorCode, CancellationReason, ResultReason
from speech_compat._session.records import EventRecord, ResultRecord


def test_a_record_without_an_error_has_the_values_of_the_normal_end() -> None:
    record = ResultRecord("a", ResultReason.Canceled)
    assert record.cancellation is CancellationReason.EndOfStream
    assert record.code is CancellationErrorCode.NoError
    assert record.error == ""
    assert EventRecord("s", result=record).offset == 0


def test_a_record_cannot_change_between_threads() -> None:
    record = EventRecord("s")
    with pytest.raises(dataclasses.FrozenInstanceError):
        record.offset = 1  # type: ignore[misc]
