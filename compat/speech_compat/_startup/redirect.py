"""Redirects imports of ``azure.cognitiveservices.speech`` in a program's own modules.

The module of that name in ``sys.modules`` serves everyone.  For each access it finds the module
of the program text that accesses it: the program's own modules receive attributes of
``speech_compat``, all others those of the real package, which is not executed before.  So Python's
import machinery stays as it is, and its tracebacks too.

Every process of the program starts with this file, so it imports next to nothing.
"""

from __future__ import annotations

import os
import sys
from _thread import RLock
from importlib import import_module
from importlib.machinery import ModuleSpec
from types import FrameType, ModuleType

# Importing it would take longer than all the rest.
TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Iterable, Sequence
    from typing import Any, Final

__all__ = ["install"]

SDK: Final = "azure.cognitiveservices.speech"
FACADE: Final = "speech_compat"
_PARENTS: Final = ("azure", "azure.cognitiveservices")
# They use the real package: this one, and the real package itself.
_NEVER: Final = frozenset({FACADE, "speech_adapters", "azure"})
# They import and patch on behalf of their callers, as does the standard library.
_TRANSPARENT: Final = frozenset({"_pytest", "mock", "pluggy", "pytest", "pytest_mock"})
_INSTALLED: Final = frozenset({"site-packages", "dist-packages"})
_STDLIB: Final = os.path.dirname(os.__file__) + os.sep
# Names of this form are Python's own attributes of a module, except these of the package.
_OF_THE_PACKAGE: Final = frozenset({"__all__", "__dict__", "__doc__", "__version__"})
# Held while the real package is executed; it imports its own modules meanwhile.
_lock = RLock()


def install(third_party: Iterable[str] = ()) -> None:
    """Redirect imports from now on.  Idempotent.

    Args:
        third_party: names of modules or packages in site-packages that are redirected too.
    """
    if any(isinstance(finder, _Finder) for finder in sys.meta_path):
        return
    judge = _Judge(third_party)
    sys.meta_path.insert(0, _Finder(judge))
    sys.meta_path.append(_Parents(judge))


class _Judge:
    """Decides whether a frame belongs to the program."""

    def __init__(self, third_party: Iterable[str]) -> None:
        self._third_party = tuple(name.strip().replace("-", "_") for name in third_party if name)
        # By name and file of a module; None for one that acts on behalf of its caller.
        self._verdicts: dict[tuple[Any, Any], bool | None] = {}

    def is_program(self, frame: FrameType | None) -> bool:
        """Whether ``frame``, or the first of its callers that counts, belongs to the program."""
        while frame is not None:
            names = frame.f_globals
            key = (names.get("__name__"), names.get("__file__"))
            if key not in self._verdicts:
                self._verdicts[key] = self._verdict(str(key[0]), key[1])
            verdict = self._verdicts[key]
            if verdict is not None:
                return verdict
            frame = frame.f_back
        return True

    def _verdict(self, name: str, file: str | None) -> bool | None:
        top = name.partition(".")[0]
        if top in _NEVER:
            return False
        wanted = ("__main__", *self._third_party)
        if any(f"{name}.".startswith(f"{package}.") for package in wanted):
            return True
        if top in _TRANSPARENT or _is_stdlib(top, file):
            return None
        # Code without a file is that of a notebook, of `python -c` or of exec().
        return file is None or not _INSTALLED.intersection(os.path.abspath(file).split(os.sep))


def _is_stdlib(top: str, file: str | None) -> bool:
    if file is None:
        return top in sys.stdlib_module_names
    inside = os.path.abspath(file).startswith(_STDLIB)
    return inside and not _INSTALLED.intersection(file.split(os.sep))


class _Module(ModuleType):
    """The real package or a module of it, which is the facade's for the program."""

    def __getattribute__(self, name: str) -> Any:
        own = super().__getattribute__
        frame = sys._getframe().f_back
        # The import machinery executes the real module in its own __dict__.
        if _is_pythons(name) or (name == "__dict__" and _is_importing(frame)):
            return own(name)
        loader: _Loader = own("__spec__").loader
        if loader.judge.is_program(frame):
            return getattr(_facade(own("__name__")), name)
        try:
            loader.execute(self)
        except (ImportError, OSError) as error:
            # Code that searches sys.modules for a name expects no other error.
            raise AttributeError(f"{own('__name__')} cannot be imported: {error}") from error
        return own(name)

    def __setattr__(self, name: str, value: Any) -> None:
        target = _changed(self, name, sys._getframe().f_back)
        return super().__setattr__(name, value) if target is None else setattr(target, name, value)

    def __delattr__(self, name: str) -> None:
        target = _changed(self, name, sys._getframe().f_back)
        return super().__delattr__(name) if target is None else delattr(target, name)

    def __dir__(self) -> Iterable[str]:
        loader: _Loader = self.__spec__.loader  # type: ignore[assignment, union-attr]
        program = loader.judge.is_program(sys._getframe().f_back)
        return dir(_facade(self.__name__)) if program else super().__dir__()


def _is_pythons(name: str) -> bool:
    return name.startswith("__") and name not in _OF_THE_PACKAGE


def _is_importing(frame: FrameType | None) -> bool:
    return frame is not None and str(frame.f_globals.get("__name__")).startswith("importlib.")


def _changed(module: ModuleType, name: str, frame: FrameType | None) -> ModuleType | None:
    """Return the facade's module if that must be changed in place of ``module``."""
    # The import machinery sets modules as attributes of their packages.
    if _is_importing(frame) or _is_pythons(name):
        return None
    loader: _Loader = module.__spec__.loader  # type: ignore[assignment, union-attr]
    return _facade(module.__name__) if loader.judge.is_program(frame) else None


class _Loader:
    """Creates the module, and executes the real one when that is needed.

    Attributes:
        judge: decides who accesses it.
        real: the spec of the real module; None if it is not installed.
        executing: the real module is being executed, by the thread that holds the lock.
        executed: the real module was executed.
    """

    def __init__(self, judge: _Judge, real: ModuleSpec | None) -> None:
        self.judge = judge
        self.real = real
        self.executing = False
        self.executed = False

    def create_module(self, spec: ModuleSpec) -> ModuleType:
        return _Module(spec.name)

    def exec_module(self, module: ModuleType) -> None:
        # For the program the real package is not needed yet, and its library may not load.
        if not self.judge.is_program(sys._getframe().f_back):
            self.execute(module)

    def execute(self, module: ModuleType) -> None:
        """Execute the real module, once."""
        if self.executed:
            return
        if self.real is None or self.real.loader is None:
            raise ImportError("it is not installed; only the program can use it")
        with _lock:
            # Its modules import each other: the thread that executes it continues.
            if self.executing or self.executed:
                return
            self.executing = True
            try:
                self.real.loader.exec_module(module)
                self.executed = True
            finally:
                self.executing = False


class _Finder:
    """Finds the modules of the real package, before all other finders."""

    def __init__(self, judge: _Judge) -> None:
        self._judge = judge

    def find_spec(
        self, name: str, path: Sequence[str] | None = None, target: ModuleType | None = None
    ) -> ModuleSpec | None:
        if not f"{name}.".startswith(f"{SDK}."):
            return None
        real = self._find_real(name, path, target)
        program = self._judge.is_program(sys._getframe().f_back)
        if not _has_facade(name) or (real is None and not program):
            return real
        spec = ModuleSpec(
            name,
            _Loader(self._judge, real),  # type: ignore[arg-type]
            origin=None if real is None else real.origin,
        )
        # Without an origin: as that of an empty folder, so it does not count as installed.
        spec.submodule_search_locations = [] if real is None else real.submodule_search_locations
        spec.has_location = real is not None
        return spec

    def _find_real(
        self, name: str, path: Sequence[str] | None, target: ModuleType | None
    ) -> ModuleSpec | None:
        others = [finder for finder in sys.meta_path if finder is not self]
        found = (finder.find_spec(name, path, target) for finder in others)
        return next((spec for spec in found if spec is not None), None)


class _Parents:
    """Finds ``azure`` and ``azure.cognitiveservices`` where no package has installed them."""

    def __init__(self, judge: _Judge) -> None:
        self._judge = judge

    def find_spec(
        self,
        name: str,
        path: Sequence[str] | None = None,  # noqa: ARG002
        target: ModuleType | None = None,  # noqa: ARG002
    ) -> ModuleSpec | None:
        if name not in _PARENTS or not self._judge.is_program(sys._getframe().f_back):
            return None
        return ModuleSpec(name, None, is_package=True)


def _facade(name: str) -> ModuleType:
    return import_module(FACADE + name.removeprefix(SDK))


def _has_facade(name: str) -> bool:
    from importlib.util import find_spec

    return find_spec(FACADE + name.removeprefix(SDK)) is not None
