"""Each benchmark runs, with sizes at which its figures mean nothing."""

from __future__ import annotations

import os
import subprocess
import sys
from importlib.util import find_spec
from pathlib import Path

import pytest

HERE = Path(__file__).parent
# The arguments of each, and what it prints.
BENCHMARKS = {
    "bench_backlog": (
        ["--recordings", "6", "--kills", "1", "--in-flight", "3", "--seconds", "0.2"],
        "recordings in the store",
    ),
    "bench_export": (["--megabytes", "1"], "MB"),
    "bench_gateway": (["--meetings", "1", "--seconds", "1"], "live"),
    "bench_meetings": (["--meetings", "20"], "threads"),
    "bench_polling": (["--meetings", "20"], "requests"),
    "bench_real_pace": (["--meetings", "2", "--chunks", "100", "--seconds", "1"], "longest"),
    "bench_realtime": (["--hours", "0.01", "--pace", "100", "--cuts", "1"], "0 lost"),
    "bench_realtime_price": (
        ["--meetings", "1", "--seconds", "60", "--rounds", "1", "--flat-out"],
        "12 results",
    ),
    "bench_results": (["--megabytes", "1", "--shape", "fast"], "fast"),
    "bench_spool": (["--hours", "0.01"], "spool"),
    "bench_start": (["--meetings", "3", "--rounds", "1"], "list"),
    "bench_status": (["--meetings", "20"], "ratio"),
    "bench_sweep": (["--jobs", "10", "--old", "20"], "targets"),
    "bench_upload": (["--megabytes", "1", "--connections", "2"], "upload_blob"),
}
NEEDS = {
    "bench_realtime": "azure.cognitiveservices.speech",
    "bench_realtime_price": "azure.cognitiveservices.speech",
    "bench_results": "orjson",
}
AZURITE = HERE.parent / "node" / "node_modules" / "azurite"


def test_every_benchmark_is_tried() -> None:
    assert {path.stem for path in HERE.glob("bench_*.py")} == set(BENCHMARKS)


@pytest.mark.timeout(240)
@pytest.mark.parametrize("name", BENCHMARKS)
def test_a_benchmark_runs(name: str, tmp_path: Path) -> None:
    if find_spec(NEEDS.get(name, "sys")) is None:
        pytest.skip(f"{NEEDS[name]} is not installed")
    if name == "bench_upload" and not AZURITE.exists():
        pytest.skip("Azurite is not installed: see CONTRIBUTING.md")
    arguments, text = BENCHMARKS[name]
    path = os.pathsep.join(filter(None, (str(HERE.parent), os.environ.get("PYTHONPATH"))))
    done = subprocess.run(
        [sys.executable, str(HERE / f"{name}.py"), *arguments],
        env={**os.environ, "PYTHONPATH": path, "SPEECH_COMPAT_STATE_DIR": str(tmp_path)},
        capture_output=True,
        text=True,
        check=False,
    )
    # A target that is missed at this size is no error of the program.
    assert done.returncode in (0, 1), done.stderr
    assert "Traceback" not in done.stderr, done.stderr
    assert text in done.stdout
