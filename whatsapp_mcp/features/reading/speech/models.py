"""Models of speech on this machine: a folder for each, with a record of where its files came from.

A model is used only if each of its files has the digest of the record. Nothing here opens a connection.
"""

from __future__ import annotations

import hashlib
import json
import re
import shutil
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Final

from pydantic import TypeAdapter, ValidationError

from whatsapp_mcp.errors import InvalidArgument, Unsupported
from whatsapp_mcp.text.choices import SPEECH_MODELS

RECORD: Final = "model.json"
FILES: Final = (
    "config.json",
    "model.bin",
    "preprocessor_config.json",
    "tokenizer.json",
    "vocabulary.json",
    "vocabulary.txt",
)
"""Files of a model that faster-whisper loads; other files of a repository are not downloaded."""
_NEEDED: Final = (
    ("config.json",),
    ("model.bin",),
    ("tokenizer.json",),
    ("vocabulary.json", "vocabulary.txt"),
)
"""One of each; without `tokenizer.json` the library would download one."""
_WEIGHTS: Final = "model.bin"
_PREFIX: Final = "whisper-"
_CHUNK: Final = 1 << 20
_REVISION: Final = re.compile(r"[0-9a-f]{7,64}")


@dataclass(frozen=True, slots=True)
class RecordedFile:
    """A file of a model: its bytes and their SHA-256 in hexadecimal."""

    size: int
    sha256: str


@dataclass(frozen=True, slots=True)
class Record:
    """The origin of a model.

    Attributes:
        name: Of the model, one of `SPEECH_MODELS`.
        hub: The address that was asked.
        repository: On that hub.
        revision: The commit.
        installed_at: RFC 3339.
        files: By name.
    """

    name: str
    hub: str
    repository: str
    revision: str
    installed_at: str
    files: dict[str, RecordedFile]

    @property
    def size(self) -> int:
        """Bytes of all files."""
        return sum(file.size for file in self.files.values())


_RECORD: Final = TypeAdapter(Record)


@dataclass(frozen=True, slots=True)
class Model:
    """A model that is installed."""

    folder: Path
    record: Record

    @property
    def name(self) -> str:
        """The model's name."""
        return self.record.name

    @property
    def weights_bytes(self) -> int:
        """Bytes of the file of weights."""
        return self.record.files[_WEIGHTS].size

    def check(self) -> None:
        """Check that every file is the one that was installed.

        Raises:
            Unsupported: One is missing or differs.
        """
        for name, expected in self.record.files.items():
            try:
                same = digest_of(self.folder / name) == expected.sha256
            except OSError:
                same = False
            if not same:
                raise self.unusable(f"its file {name} is damaged or missing")

    def is_complete(self) -> bool:
        """Return whether every file exists with its recorded size; quick, since none is read."""
        try:
            sizes = {name: (self.folder / name).stat().st_size for name in self.record.files}
        except OSError:
            return False
        return sizes == {name: file.size for name, file in self.record.files.items()}

    def is_whole(self) -> bool:
        """Return whether every file is the one that was installed."""
        try:
            self.check()
        except Unsupported:
            return False
        return True

    def unusable(self, why: str) -> Unsupported:
        """The error of a model that cannot be used."""
        return Unsupported(
            f"The model {self.name} cannot be used: {why}.",
            f"Tell the user to run `whatsapp-mcp voice install {self.name}`.",
        )


def models_folder(home: Path) -> Path:
    """Return the folder of all models."""
    return home / "models"


def folder_of(home: Path, name: str) -> Path:
    """The folder of a model.

    Raises:
        InvalidArgument: There is no model of this name.
    """
    if name not in SPEECH_MODELS:
        raise InvalidArgument(f"There is no such model. There are: {', '.join(SPEECH_MODELS)}.")
    return models_folder(home) / f"{_PREFIX}{name}"


def installed(home: Path, name: str) -> Model | None:
    """A model, if it is installed; its files are not looked into."""
    return model_in(folder_of(home, name))


def model_in(folder: Path) -> Model | None:
    """The model of a folder; None where there is none, or its record cannot be read."""
    try:
        record = _RECORD.validate_json((folder / RECORD).read_bytes())
    except (OSError, ValidationError):
        return None
    whole = all(any(name in record.files for name in names) for names in _NEEDED)
    usable = whole and set(record.files) <= set(FILES) and _REVISION.fullmatch(record.revision)
    return Model(folder, record) if usable and record.name in SPEECH_MODELS else None


def all_installed(home: Path) -> list[Model]:
    """The models that are installed, from the smallest to the largest."""
    return [model for name in SPEECH_MODELS if (model := installed(home, name)) is not None]


def remove(home: Path, name: str) -> bool:
    """Delete a model and what is left of a download; whether there was something.

    Raises:
        InvalidArgument: There is no model of this name.
        OSError: It cannot be deleted.
    """
    folders = (folder_of(home, name), draft_of(home, name), former_of(home, name))
    existing = [folder for folder in folders if folder.is_dir()]
    for folder in existing:
        shutil.rmtree(folder)
    return bool(existing)


def draft_of(home: Path, name: str) -> Path:
    """Return the folder in which a model is assembled."""
    return models_folder(home) / f".{folder_of(home, name).name}.part"


def former_of(home: Path, name: str) -> Path:
    """Return the folder that holds the old model while a new one replaces it."""
    return models_folder(home) / f".{folder_of(home, name).name}.old"


def require_whole(names: set[str]) -> None:
    """Refuse a list of files with which a model cannot be loaded.

    Raises:
        Unsupported: A file is missing.
    """
    for choices in _NEEDED:
        if not names.intersection(choices):
            raise Unsupported(
                f"The repository has no {' or '.join(choices)}: no model that can be used.",
                "Check the address of the hub.",
            )


def write_record(folder: Path, record: Record) -> None:
    """Write the record of a model into its folder.

    Raises:
        OSError: It cannot be written.
    """
    (folder / RECORD).write_text(json.dumps(asdict(record), indent=2) + "\n", encoding="utf-8")


def digest_of(path: Path) -> str:
    """The SHA-256 of a file, in hexadecimal.

    Raises:
        OSError: It cannot be read.
    """
    digest = hashlib.sha256()
    with path.open("rb") as file:
        while chunk := file.read(_CHUNK):
            digest.update(chunk)
    return digest.hexdigest()
