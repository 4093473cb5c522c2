"""Tests of the Makefile and of ``.ci/run``, in a copy, with stand-ins for Python, pip and npm."""

from __future__ import annotations

import os
import shutil
import subprocess
import sys
from pathlib import Path

import pytest

ROOT = Path(__file__).parents[1]
# All that the recipes under test call, besides the shell.
TOOLS = (
    *("bash", "chmod", "dirname", "echo", "grep", "id", "make", "mkdir", "rm", "sh", "sleep"),
    "touch",
)
# Reports another version of itself to the code that it runs.
OLD = f"""#!/bin/sh
exec {sys.executable} -c 'import sys
sys.version_info = (3, 9, 18, "final", 0)
exec(sys.argv[1])' "$2"
"""
# Stands for a new Python, and makes environments that have a stand-in of pytest.
NEW = f"""#!/bin/sh
if [ "$1 $2" = "-m venv" ]; then
  mkdir -p "$3/bin"
  for name in python speech-compat ruff mypy pyright mkdocs; do
    echo '#!/bin/sh' >"$3/bin/$name"
    echo 'echo "$0" "$@" >>calls' >>"$3/bin/$name"
    echo 'echo $SPEECH_COMPAT_PAYLOADS $SPEECH_COMPAT_RECORDINGS >>folders' >>"$3/bin/$name"
    chmod +x "$3/bin/$name"
  done
else
  exec {sys.executable} "$@"
fi
"""
NPM = """#!/bin/sh
echo npm "$@" >>calls
mkdir -p tests/node/node_modules
[ "$(grep -c ^npm calls)" -gt {failures} ] || { echo 'npm error network'; exit 1; }
"""


pytestmark = pytest.mark.skipif(
    not all(shutil.which(tool) for tool in TOOLS), reason="make is not installed"
)


class Checkout:
    """A copy of what the Makefile reads, and a PATH with few programs."""

    def __init__(self, folder: Path) -> None:
        self.path = folder / "checkout"
        self._bin = folder / "bin"
        self._bin.mkdir()
        for name in (
            *(
                "Makefile",
                ".ci/run",
                "pyproject.toml",
                "requirements.lock",
                "requirements-docs.lock",
            ),
            "tests/node/package-lock.json",
        ):
            (self.path / name).parent.mkdir(parents=True, exist_ok=True)
            shutil.copy(ROOT / name, self.path / name)
        for tool in TOOLS:
            (self._bin / tool).symlink_to(str(shutil.which(tool)))

    def install(self, name: str, script: str) -> None:
        """Add a program to the PATH."""
        (self._bin / name).write_text(script, encoding="utf-8")
        (self._bin / name).chmod(0o755)

    def run(self, *command: str, **environment: str) -> tuple[int, str]:
        """Run a command; return its exit code and all that it writes."""
        # Not the folders that the tests themselves were started with.
        own = {
            name: text
            for name, text in os.environ.items()
            if not name.startswith(("MAKE", "SPEECH_COMPAT_"))
        }
        done = subprocess.run(
            command,
            cwd=self.path,
            env={**own, "PATH": str(self._bin), "NPM_PAUSES": "0 0 0", **environment},
            stdout=subprocess.PIPE,
            stderr=subprocess.STDOUT,
            text=True,
            timeout=60,
            check=False,
        )
        return done.returncode, done.stdout

    @property
    def calls(self) -> list[str]:
        """The calls of the stand-ins, one line each."""
        file = self.path / "calls"
        return file.read_text(encoding="utf-8").splitlines() if file.is_file() else []


@pytest.fixture
def checkout(tmp_path: Path) -> Checkout:
    """Return a checkout on a machine with a new Python and without npm."""
    checkout = Checkout(tmp_path)
    checkout.install("python3", NEW)
    return checkout


def _npm(failures: int) -> str:
    return NPM.replace("{failures}", str(failures))


def test_the_demo_needs_no_npm(checkout: Checkout) -> None:
    checkout.install("npm", _npm(0))
    assert checkout.run("make", "demo")[0] == 0
    assert checkout.calls[-1] == ".venv/bin/speech-compat demo"
    assert not [call for call in checkout.calls if call.startswith("npm")]


def test_the_packages_for_node_are_installed_once(checkout: Checkout) -> None:
    checkout.install("npm", _npm(0))
    for _ in range(2):
        code, output = checkout.run("make", "test")
        assert (code, "skipped" in output) == (0, False)
    assert len([call for call in checkout.calls if call.startswith("npm ci")]) == 1
    assert len([call for call in checkout.calls if "pytest" in call]) == 2


def test_a_failure_of_npm_is_retried(checkout: Checkout) -> None:
    checkout.install("npm", _npm(2))
    code, output = checkout.run("make", "test")
    assert (code, "skipped" in output) == (0, False)
    assert len([call for call in checkout.calls if call.startswith("npm")]) == 3


def test_an_npm_that_always_fails_and_a_missing_one_are_told_apart(checkout: Checkout) -> None:
    code, output = checkout.run("make", "test")
    assert (code, "npm is missing: tests that need" in output) == (0, True)
    assert "failed" not in output
    checkout.install("npm", _npm(9))
    code, output = checkout.run("make", "test")
    assert (code, "npm failed 3 times: tests that need" in output) == (0, True)
    assert "npm error network" in output
    assert "missing" not in output
    # A half of the packages would look like all of them.
    assert not (checkout.path / "tests/node/node_modules").exists()


def test_the_reasons_of_skipped_tests_and_slow_ones_are_shown(checkout: Checkout) -> None:
    checkout.run("make", "test")
    assert " -rs --durations 10 " in checkout.calls[-1]


@pytest.mark.parametrize("command", [("make", "demo"), ("bash", ".ci/run")])
def test_an_old_python_is_refused_in_one_sentence(
    checkout: Checkout, command: tuple[str, ...]
) -> None:
    checkout.install("apt-get", "#!/bin/sh\necho installed")  # nothing is installed before
    checkout.install("python3", OLD)
    code, output = checkout.run(*command)
    sentence, *rest = output.splitlines()
    assert code != 0
    assert sentence == (
        "speech-compat needs Python 3.11 or newer, which was not found; python3 is 3.9.18."
        " Install it, or set PYTHON=..."
    )
    assert all(line.startswith("make") for line in rest)
    checkout.install("python3", NEW)
    checkout.install("python3.9", OLD)
    output = checkout.run(*command, PYTHON="python3.9")[1]
    assert "Python 3.11 or newer, and python3.9 is 3.9.18." in output
    assert not (checkout.path / ".venv").exists()


def test_ci_uses_recordings_and_answers_beside_the_checkout(checkout: Checkout) -> None:
    checkout.install("chromium", "#!/bin/sh\n")

    def used() -> set[str]:
        return set((checkout.path / "folders").read_text(encoding="utf-8").split())

    assert checkout.run("bash", ".ci/run")[0] == 0
    assert used() == set()
    shared = checkout.path.parent / "shared"
    for name in ("payloads", "audio"):
        (shared / name).mkdir(parents=True)
    assert checkout.run("bash", ".ci/run")[0] == 0
    assert {Path(name).resolve() for name in used()} == {shared / "payloads", shared / "audio"}
