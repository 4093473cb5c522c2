"""Also of ``bindings``, which ``usage`` asks for what names stand for."""

from __future__ import annotations

import ast

import pytest

from speech_compat._migration.usage import Usage, usage_of

SDK = "azure.cognitiveservices.speech"


def usage(text: str) -> Usage:
    return usage_of(ast.parse(text))


def names(text: str) -> list[str]:
    return [".".join(use.path) for use in usage(text).uses]


@pytest.mark.parametrize(
    "text",
    [
        f"import {SDK} as x\nx.transcription.Meeting(c)",
        f"import {SDK}\n{SDK}.transcription.Meeting(c)",
        "from azure.cognitiveservices import speech\nspeech.transcription.Meeting(c)",
        "from azure.cognitiveservices import speech as s\ns.transcription.Meeting(c)",
        "from azure import cognitiveservices as cs\ncs.speech.transcription.Meeting(c)",
        "import azure.cognitiveservices as cs\ncs.speech.transcription.Meeting(c)",
        f"import {SDK}.transcription as t\nt.Meeting(c)",
        f"import {SDK} as x\nt = x.transcription\nt.Meeting(c)",
        f"import {SDK} as x\nM = x.transcription.Meeting\nM(c)",
        f"import importlib\nx = importlib.import_module('{SDK}')\nx.transcription.Meeting(c)",
        f"x = __import__('{SDK}')\nx.transcription.Meeting(c)",
        f"import {SDK} as x\ngetattr(x.transcription, 'Meeting', None)(c)",
        f"try:\n    import {SDK} as x\nexcept E:\n    x = None\nx.transcription.Meeting(c)",
        "import speech_compat as x\nx.transcription.Meeting(c)",
        f"def f():\n    import {SDK} as x\n    return x.transcription.Meeting(c)",
    ],
)
def test_every_way_to_a_class_is_followed(text: str) -> None:
    assert "transcription.Meeting()" in names(text)


def test_names_imported_from_modules_are_uses() -> None:
    text = f"from {SDK}.transcription import ConversationTranscriber as T\nT(a, b)"
    assert names(text) == [
        "transcription.ConversationTranscriber",
        "transcription.ConversationTranscriber()",
    ]


def test_star_imports_are_followed() -> None:
    text = f"from {SDK} import *\nSpeechConfig(a)\nprint(unknown)\nSpeechRecognizer(b)"
    assert names(text) == ["SpeechConfig()", "SpeechRecognizer()"]


def test_a_name_that_the_file_defines_is_none_of_a_star_import() -> None:
    assert names(f"from {SDK} import *\nclass SpeechConfig: pass\nSpeechConfig()") == []


def test_methods_of_objects_are_uses() -> None:
    text = f"""
import {SDK} as x
class A:
    def __init__(self):
        self.t: object = x.transcription.MeetingTranscriber(audio)
    async def run(self):
        self.t.start_transcribing_async().get()
        with x.Connection.from_recognizer(self.t) as c:
            c.open()
"""
    found = names(text)
    assert "transcription.MeetingTranscriber().start_transcribing_async()" in found
    assert "Connection.from_recognizer().open()" in found


def test_a_name_for_several_things_stands_for_none_of_them() -> None:
    text = f"import {SDK} as x\na = x.SpeechConfig(k)\na = other()\na.anything()"
    assert names(text) == ["SpeechConfig()"]


def test_none_is_no_other_thing() -> None:
    text = f"import {SDK} as x\na = None\na = x.SpeechConfig(k)\na.set_property(p, v)"
    assert names(text) == ["SpeechConfig()", "SpeechConfig().set_property()"]


def test_a_parameter_hides_a_name() -> None:
    text = "from azure.cognitiveservices import speech\ndef f(speech):\n    speech.anything()"
    assert names(text) == []


def test_an_own_class_of_the_same_name_is_no_use() -> None:
    text = f"import {SDK} as x\nclass ConversationTranscriber: pass\nConversationTranscriber()"
    assert names(text) == []


def test_relative_and_other_imports_are_none() -> None:
    found = usage("from .speech import Meeting\nfrom . import azure\nimport azure.identity as x")
    assert (found.imports, found.uses) == ([], [])


def test_imports_have_their_place_and_change() -> None:
    found = usage(
        f"import os\nif a:\n    import os, {SDK} as x\nimport speech_compat as y\n"
    ).imports
    assert [(i.line, i.column, i.target) for i in found] == [(3, 4, "speech_compat"), (4, 0, "")]
    assert found[0].statement == f"import os, {SDK} as x"


def test_texts_that_name_the_package_are_found() -> None:
    found = usage(
        f'"""{SDK}"""\nmock.patch("{SDK}.SpeechConfig")\nprint("install {SDK}")\n'
    ).module_texts
    assert [(text.value, text.line) for text in found] == [(f"{SDK}.SpeechConfig", 2)]


def test_constants_stand_for_their_values_unless_they_have_several() -> None:
    found = usage("a = 8\nb = 1\nb = 2\nself.c = 'x'\nd, e = 1, 'y'")
    values = [found.value(ast.parse(name, mode="eval").body) for name in ("a", "b", "d", "e", "f")]
    assert values == [8, None, 1, "y", None]


def test_long_chains_are_no_errors() -> None:
    assert usage(f"import {SDK} as x\nx{'.a' * 900}\nx{'.a()' * 400}\n").imports
