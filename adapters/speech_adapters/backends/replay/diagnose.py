"""The checks of the replay backend: its script."""

from __future__ import annotations

from collections.abc import Sequence

from speech_adapters.backends.replay.options import replay_options
from speech_adapters.diagnosis import AUDIO, Check, Finding, Subject, ok
from speech_adapters.replay_script import load_script

__all__ = ["backend_checks"]


def backend_checks(subject: Subject) -> Sequence[Check]:
    """Return the checks of the backend."""

    async def script() -> Finding:
        options = replay_options(subject.settings)
        if options.record:
            return ok(f"the backend {options.record} is recorded into {options.script}")
        found = load_script(options.script)
        return ok(f"{options.script} has {len(found.utterances())} utterances")

    async def audio() -> Finding:
        return ok("the script is played, whatever the audio is")

    checks = (Check("script", "Script", script),)
    return checks if subject.audio is None else (*checks, Check(AUDIO, "Audio file", audio))
