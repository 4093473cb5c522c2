from __future__ import annotations

from speech_compat.gateway.metrics import Metrics


def test_errors_are_counted_by_class() -> None:
    metrics = Metrics()
    metrics.error(ValueError("katie"))
    metrics.error(ValueError("steve"))
    metrics.error(KeyError("katie"))
    text = metrics.text().decode()
    assert 'speech_compat_errors_total{class="ValueError"} 2.0' in text
    assert "katie" not in text


def test_two_gateways_of_a_process_count_separately() -> None:
    first, second = Metrics(), Metrics()
    first.phrases.inc()
    assert second.registry.get_sample_value("speech_compat_phrases_total") == 0
