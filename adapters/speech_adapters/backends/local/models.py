"""The models of a process: loaded when a meeting first needs them, and shared by all."""

from __future__ import annotations

import threading
from collections import defaultdict
from collections.abc import Callable
from typing import Any, TypeVar

from speech_adapters.backends.local.options import LocalOptions
from speech_adapters.closeable import Closeable

__all__ = ["Models"]

T = TypeVar("T", bound=Closeable)


class Models(Closeable):
    """The models for one set of options.  Any thread may use it.

    Args:
        options: the options, which are passed to the functions that load models.
    """

    def __init__(self, options: LocalOptions) -> None:
        self.options = options
        self._guard = threading.Lock()
        # Held while a model is loaded, so that no second thread loads the same one, and other
        # models can be loaded at the same time.
        self._loading: dict[Callable[..., Any], threading.Lock] = defaultdict(threading.Lock)
        self._loaded: dict[Callable[..., Any], Closeable] = {}

    def get(self, load: Callable[[LocalOptions], T]) -> T:
        """Return what ``load(options)`` returned; the first call with ``load`` loads it.

        What is returned must be safe for several threads, and is closed with this object.

        Raises:
            SpeechError: raised by ``load``; the next call tries again.
        """
        with self._guard:
            loading = self._loading[load]
        with loading:
            if load not in self._loaded:
                self._loaded[load] = load(self.options)
            found: Any = self._loaded[load]
        return found  # type: ignore[no-any-return]

    def close(self) -> None:
        """Close all models.  Idempotent; no meeting may use them any more."""
        with self._guard:
            loaded, self._loaded = list(self._loaded.values()), {}
        for model in loaded:
            model.close()
