"""A preload of ``dask worker``: the worker finds the double of the engine."""

from __future__ import annotations

import importlib
import sys

from double.engine import ENGINE_MODULE, PULSE_MODULE, engine_module

__all__: list[str] = []

sys.modules[ENGINE_MODULE] = engine_module()
vars(importlib.import_module(PULSE_MODULE))["_CHECKPOINT_SECONDS"] = 0.0
