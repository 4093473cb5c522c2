from __future__ import annotations

import subprocess
import sys


def test_importing_the_package_loads_no_library_but_attrs_and_no_backend() -> None:
    # Only what the import adds counts: coverage, when it measures this process, loads its own.
    code = (
        "import sys; before = set(sys.modules); import speech_adapters;"
        "print(*sorted(set(sys.modules) - before))"
    )
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    names = done.stdout.split()
    libraries = {name.split(".")[0] for name in names} - set(sys.stdlib_module_names)
    assert libraries == {"attr", "attrs", "speech_adapters"}
    assert not [name for name in names if name.startswith("speech_adapters.backends")]
