"""``speech-compat run``, each time in processes of its own."""

from __future__ import annotations

import os
import subprocess
import sys
import textwrap
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import Any

import pytest

from oracle.test_oracle import why_not
from speech_compat.cli import main
from speech_compat.run import main as run_main

PATIENCE = 60
Write = Callable[..., Path]
OURS = "speech_compat._sdk.config"
THEIRS = "azure.cognitiveservices.speech"
# Executed by every process, after the redirection: the real package is not installed.
ABSENT = """
import sys

class Hidden:
    @staticmethod
    def find_spec(name, path=None, target=None):
        if name == "azure" or name.startswith("azure."):
            return None
        return next((s for f in others if (s := f.find_spec(name, path, target))), None)

mine = [f for f in sys.meta_path if "redirect" in type(f).__module__]
others = [f for f in sys.meta_path if f not in mine]
sys.meta_path[:] = [mine[0], Hidden, mine[1]]
"""


@pytest.fixture
def write(tmp_path: Path) -> Write:
    """Return a function that writes a file of the project."""

    def write_file(text: str, name: str = "program.py") -> Path:
        path = tmp_path / name
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_text(textwrap.dedent(text), encoding="utf-8")
        return path

    return write_file


def run(
    *command: object, python: Sequence[str] = ("-W", "error"), code: int = 0, **options: Any
) -> list[str]:
    """Run ``python -m speech_compat.run``; return the lines of its output."""
    done = start("-m", "speech_compat.run", *command, python=python, **options)
    assert done.returncode == code, done.stdout + done.stderr
    return done.stdout.splitlines()


def start(
    *command: object, python: Sequence[str] = (), **options: Any
) -> subprocess.CompletedProcess[str]:
    return subprocess.run(
        [sys.executable, *python, *map(str, command)],
        capture_output=True,
        text=True,
        timeout=PATIENCE,
        check=False,
        **options,
    )


@pytest.fixture
def sdk() -> None:
    if why_not():
        pytest.skip(why_not())


@pytest.fixture
def no_sdk(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    folder = tmp_path / "hidden"
    folder.mkdir()
    (folder / "sitecustomize.py").write_text(ABSENT, encoding="utf-8")
    path = [str(folder), os.environ.get("PYTHONPATH", "")]
    monkeypatch.setenv("PYTHONPATH", os.pathsep.join(filter(None, path)))


FORMS = """
    import importlib
    import importlib.util

    import azure.cognitiveservices.speech
    import azure.cognitiveservices.speech as first
    import azure.cognitiveservices.speech.transcription as second
    from azure.cognitiveservices import speech as third
    from azure.cognitiveservices.speech import SpeechConfig as Fourth, audio
    from azure.cognitiveservices.speech.audio import AudioConfig
    from azure.cognitiveservices.speech.translation import __name__ as translation

    def lazy():
        from azure.cognitiveservices.speech import SpeechConfig
        return SpeechConfig

    found = importlib.import_module("azure.cognitiveservices.speech")
    built_in = __import__("azure.cognitiveservices.speech", fromlist=["SpeechConfig"])
    namespace = {}
    exec("import azure.cognitiveservices.speech as s; found = s.SpeechConfig", namespace)
    classes = {
        azure.cognitiveservices.speech.SpeechConfig,
        first.SpeechConfig,
        second.SpeechConfig,
        third.SpeechConfig,
        Fourth,
        lazy(),
        found.SpeechConfig,
        built_in.SpeechConfig,
        namespace["found"],
    }
    print(*{c.__module__ for c in classes}, AudioConfig is audio.AudioConfig, translation)
    print(first.__name__, "SpeechConfig" in dir(first))
    print(importlib.util.find_spec("azure.cognitiveservices.speech").name)
    print("SpeechConfig" in vars(first), "azure.cognitiveservices.speech" in first.__doc__)
"""
EXPECTED = [
    f"{OURS} True {THEIRS}.translation",
    f"{THEIRS} True",
    THEIRS,
    "True True",
]


@pytest.mark.usefixtures("sdk")
def test_all_forms_of_imports_are_redirected(write: Write) -> None:
    assert run(write(FORMS)) == EXPECTED


@pytest.mark.usefixtures("no_sdk")
def test_all_forms_of_imports_are_redirected_without_the_real_package(write: Write) -> None:
    assert run(write(FORMS)) == EXPECTED


@pytest.mark.usefixtures("no_sdk")
def test_without_the_real_package_nothing_else_is_there(write: Write) -> None:
    program = write("""
        import azure.cognitiveservices.speech as s
        from speech_adapters.errors import MissingExtraError
        from speech_adapters.speech_sdk.options import need_sdk

        print(s.__version__, hasattr(s, "SpeechRecognizer"))
        for name in ("azure.identity", "azure.cognitiveservices.speech.nonsense"):
            try:
                __import__(name)
            except ModuleNotFoundError as error:
                print(error)
        try:
            need_sdk("realtime")
        except MissingExtraError:
            print("missing")
        import other
    """)
    write(
        """
        import azure.cognitiveservices.speech as s

        try:
            s.SpeechConfig
        except AttributeError as error:
            print(error)
        """,
        "site-packages/other.py",
    )
    path = os.pathsep.join([str(program.parent / "site-packages"), os.environ["PYTHONPATH"]])
    assert run(program, env={**os.environ, "PYTHONPATH": path}) == [
        "1.53.0 False",
        "No module named 'azure.identity'",
        "No module named 'azure.cognitiveservices.speech.nonsense'",
        "missing",
        f"{THEIRS} cannot be imported: it is not installed; only the program can use it",
    ]


@pytest.mark.usefixtures("no_sdk")
def test_without_the_real_package_others_cannot_import_it(write: Write) -> None:
    program = write("import other")
    write(
        """
        try:
            import azure.cognitiveservices.speech
        except ModuleNotFoundError as error:
            print(error)
        """,
        "site-packages/other.py",
    )
    path = os.pathsep.join([str(program.parent / "site-packages"), os.environ["PYTHONPATH"]])
    assert run(program, env={**os.environ, "PYTHONPATH": path}) == ["No module named 'azure'"]


def test_the_real_package_is_not_loaded_before_it_is_needed(write: Write) -> None:
    program = write("""
        import sys
        import azure.cognitiveservices.speech as s
        print(s.SpeechConfig.__name__, "azure.cognitiveservices.speech.interop" in sys.modules)
    """)
    assert run(program) == ["SpeechConfig False"]


@pytest.mark.usefixtures("sdk")
def test_backends_use_the_real_package(write: Write) -> None:
    program = write("""
        import azure.cognitiveservices.speech as s
        from speech_adapters.speech_sdk import recognizer, sdk_config
        from speech_compat._sdk.real import load

        print(s.PropertyId.__module__, sdk_config._Id.__module__, load().__name__)
        print(s.SpeechRecognizer(
            s.SpeechConfig("key", "westeurope"),
            s.AudioConfig(stream=s.audio.PushAudioInputStream()),
        ).__class__.__module__)
    """)
    assert run(program) == [f"speech_compat.enums {THEIRS} {THEIRS}", THEIRS]


FAKE_BOT = """
    import azure.cognitiveservices.speech as speechsdk
    from azure.cognitiveservices.speech.audio import AudioStreamFormat, PushAudioInputStream

    class Bot:
        def __init__(self):
            self.config = speechsdk.SpeechConfig(subscription="key", region="westeurope")
            self.stream = PushAudioInputStream(AudioStreamFormat(16000, 16, 1))
            audio = speechsdk.audio.AudioConfig(stream=self.stream)
            self.recognizer = speechsdk.SpeechRecognizer(self.config, audio)
"""


@pytest.mark.usefixtures("sdk")
@pytest.mark.parametrize(
    ("options", "environment", "expected"),
    [
        ([], "", THEIRS),
        (["--third-party", "fake-bot"], "", OURS),
        (["--third-party", "fake_bot.azure"], "", OURS),
        (["--third-party", "fake_bo"], "", THEIRS),
        ([], "other, fake_bot", OURS),
    ],
)
def test_installed_packages_keep_the_real_one_unless_named(
    options: list[str], environment: str, expected: str, write: Write
) -> None:
    program = write("""
        import azure.cognitiveservices.speech as speechsdk
        from fake_bot.azure import Bot

        bot = Bot()
        print(speechsdk.SpeechConfig.__module__, type(bot.config).__module__)
        print(isinstance(bot.recognizer, speechsdk.SpeechRecognizer))
    """)
    write("", "site-packages/fake_bot/__init__.py")
    write(FAKE_BOT, "site-packages/fake_bot/azure.py")
    path = [str(program.parent / "site-packages"), os.environ.get("PYTHONPATH", "")]
    names = {"PYTHONPATH": os.pathsep.join(path), "SPEECH_COMPAT_THIRD_PARTY": environment}
    lines = run(*options, program, env={**os.environ, **names})
    assert lines == [f"{OURS} {expected}", "True"]


def test_an_installed_module_that_is_run_is_the_program(write: Write) -> None:
    write("", "site-packages/service/__init__.py")
    write("import service.work", "site-packages/service/__main__.py")
    write(
        "import azure.cognitiveservices.speech as s; print(s.SpeechConfig.__module__)",
        "site-packages/service/work.py",
    )
    folder = write("").parent / "site-packages"
    path = os.pathsep.join([str(folder), os.environ.get("PYTHONPATH", "")])
    assert run("-m", "service", env={**os.environ, "PYTHONPATH": path}) == [OURS]


def test_processes_that_the_program_starts_are_redirected(write: Write) -> None:
    child = write(
        "import azure.cognitiveservices.speech as s; print('child', s.SpeechConfig.__module__)",
        "child.py",
    )
    program = write(f"""
        import multiprocessing
        import subprocess
        import sys

        import azure.cognitiveservices.speech as s

        def work(_):
            return s.SpeechConfig.__module__

        if __name__ == "__main__":
            print(work(0), flush=True)
            subprocess.run([sys.executable, {str(child)!r}], check=True)
            for method in ("spawn", "fork"):
                with multiprocessing.get_context(method).Pool(1) as pool:
                    print(method, *pool.map(work, [0]))
    """)
    assert run(program) == [OURS, f"child {OURS}", f"spawn {OURS}", f"fork {OURS}"]


def test_the_program_finds_what_python_itself_would_have_set(write: Write) -> None:
    program = write("""
        import os
        import sys

        import azure.cognitiveservices.speech

        print(__name__, __file__, sys.argv)
        print([p for p in sys.path if "speech_compat" in p or p == sys.path[0]])
        print(sys.modules["__main__"].__spec__, sys.warnoptions, sys.flags.dev_mode)
        print(os.environ["SPEECH_COMPAT_BACKEND"], os.environ["SPEECH_COMPAT_STATE_DIR"] != "")
        sys.exit(7)
    """)
    arguments = ("--backend", "batch", program, "-m", "--backend", "x", "--", "-h")
    options = ("-W", "error::UserWarning", "-X", "dev")
    folder, given = str(program.parent), [str(program), "-m", "--backend", "x", "--", "-h"]
    assert run(*arguments, python=options, code=7) == [
        f"__main__ {program} {given}",
        str([folder]),
        # Each interpreter adds the option of the development mode.
        "None ['default', 'error::UserWarning'] True",
        "batch True",
    ]


@pytest.mark.parametrize(
    "text",
    [
        "import azure.cognitiveservices.speech\nimport nonsense",
        "from azure.cognitiveservices.speech import SpeechConfig\nraise ValueError('é')",
        "def f():\n    import json.nonsense\n\nf()",
        "x = (",
    ],
)
@pytest.mark.usefixtures("sdk")
def test_tracebacks_are_those_of_python(text: str, write: Write) -> None:
    program = write(text)
    expected = start(program)
    found = start("-m", "speech_compat.run", program)
    assert (found.returncode, found.stderr) == (expected.returncode, expected.stderr)
    assert "Error" in expected.stderr


def test_a_program_that_does_not_exist_is_pythons_error(tmp_path: Path) -> None:
    expected = start(tmp_path / "none.py")
    found = start("-m", "speech_compat.run", tmp_path / "none.py")
    assert (found.returncode, found.stderr) == (2, expected.stderr)


def test_the_next_sitecustomize_runs_too(write: Write) -> None:
    program = write("import sitecustomize; print(sitecustomize.__file__)")
    hidden = write("print('customized')", "site/sitecustomize.py")
    path = os.pathsep.join([str(hidden.parent), os.environ.get("PYTHONPATH", "")])
    found = run(program, env={**os.environ, "PYTHONPATH": path})
    # The first is that of the process that starts the program.
    assert found == ["customized", "customized", str(hidden)]


@pytest.mark.usefixtures("sdk")
def test_pytest_and_mock_replace_names_of_the_program(write: Write) -> None:
    write(
        """
        import azure.cognitiveservices.speech as s

        def make():
            return s.SpeechConfig("k")
        """,
        "application.py",
    )
    tests = write(
        """
        from unittest import mock

        import application

        NAME = "azure.cognitiveservices.speech.SpeechConfig"

        def test_mock():
            with mock.patch(NAME) as replaced:
                assert application.make() is replaced.return_value
            with mock.patch("azure.cognitiveservices.speech.New", create=True):
                assert application.s.New
            assert not hasattr(application.s, "New")

        def test_monkeypatch(monkeypatch):
            monkeypatch.setattr(NAME, str)
            assert application.make() == "k"

        def test_restored():
            assert application.s.SpeechConfig.__module__ == "speech_compat._sdk.config"
        """,
        "test_application.py",
    )
    options = ("-p", "no:cacheprovider", "-c", os.devnull, "--rootdir", tests.parent)
    lines = run("-m", "pytest", *options, tests, cwd=tests.parent)
    assert "3 passed" in lines[-1]


def test_the_command_line_has_it_too(write: Write) -> None:
    program = write("""
        import sys
        import azure.cognitiveservices.speech as s
        print(s.SpeechConfig.__module__, sys.argv[1:])
    """)
    done = start("-m", "speech_compat", "run", program, "-v", "--version")
    assert done.stdout == f"{OURS} ['-v', '--version']\n"


@pytest.mark.parametrize("flag", ["-E", "-S"])
def test_options_that_would_prevent_it_are_refused(flag: str, write: Write) -> None:
    code = (
        f"import sys; sys.path[:0] = {sys.path!r}\n"
        "from speech_compat.run import main; sys.exit(main())"
    )
    done = start("-c", code, write("print('not redirected')"), python=[flag])
    assert (done.returncode, done.stdout) == (2, "")
    assert "Python was started with -E, -I or -S" in done.stderr


def test_windows_waits_for_the_program(
    write: Write, monkeypatch: pytest.MonkeyPatch, capfd: pytest.CaptureFixture[str]
) -> None:
    program = write("import azure.cognitiveservices.speech as s; print(s.SpeechConfig); exit(3)")
    monkeypatch.setattr("speech_compat.run.os.name", "nt")
    monkeypatch.setattr(sys, "argv", ["speech-compat", "run"])
    monkeypatch.setattr(sys, "orig_argv", [sys.executable, "speech-compat", "run"])
    assert run_main([str(program)]) == 3
    assert main(["run", str(program)]) == 3
    assert capfd.readouterr().out.count(OURS) == 2
