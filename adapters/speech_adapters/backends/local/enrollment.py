"""The order for the process that creates a voice signature.

The models are native code, so they run in a process of their own: a crash does not reach the
program.
"""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import attrs

from speech_adapters.backends.local.job import Processing

__all__ = ["EnrollmentOrder", "run_order"]


@attrs.frozen
class EnrollmentOrder:
    """What the process is to do.

    Attributes:
        files: WAV files of one person.
        processing: the options of the backend, and how channels become one.
    """

    files: tuple[Path, ...]
    processing: Processing

    def dump(self) -> str:
        """Return the order as JSON."""
        files = [str(path) for path in self.files]
        return json.dumps({"files": files, "processing": self.processing.dump()})

    @classmethod
    def load(cls, text: str) -> EnrollmentOrder:
        """Read what :meth:`dump` returned."""
        data: dict[str, Any] = json.loads(text)
        files = tuple(Path(name) for name in data["files"])
        return cls(files, Processing.load(data["processing"]))


def run_order(order: str) -> str:
    """Create a signature in this process.

    Args:
        order: an :class:`EnrollmentOrder` as JSON.

    Returns:
        An :class:`~speech_adapters.enrollment.Enrollment` as JSON.

    Raises:
        AudioError, ConfigurationError: as :meth:`.Enroller.enroll`.
    """
    # Imported late: only the process of its own loads the models' libraries.
    from speech_adapters.backends.local.diarization import load_models
    from speech_adapters.backends.local.diarization.enrollment import create_signature

    found = EnrollmentOrder.load(order)
    options = found.processing.options
    with load_models(options.segmentation_model, options.embedding_model) as models:
        return create_signature(models, found.files, found.processing.downmix).dump()
