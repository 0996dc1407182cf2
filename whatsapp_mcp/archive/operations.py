"""Every write to the archive is an operation: a name, plain values, and a time that is given from outside.

The archive is what its operations made of it: the same ones in the same order give the same archive, refs and
change feed included. So the code that applies one reads no clock, no random number and no file, and decodes
nothing; what depends on those is a value. What depends on the archive (was a key used before, can a send be
withdrawn) is decided when the operation is applied, and a refusal is an outcome like any other.

What only looks after the files (checkpoints, merging or rebuilding the index, packing, a new schema) changes
no answer, and is no operation.
"""

from __future__ import annotations

import inspect
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from functools import cache
from typing import Any, Final, get_type_hints

from pydantic import BaseModel, ConfigDict, TypeAdapter, create_model

from whatsapp_mcp.archive import care, exchange, write
from whatsapp_mcp.archive.write import outbox, recording

OPERATIONS: Final[Mapping[str, Callable[..., Any]]] = {
    # What came from WhatsApp, decoded.
    "ingest": write.ingest,
    "open_addons": write.open_addons,
    "redecode": write.redecode,
    # What the device has looked up or done.
    "meta_set": recording.meta_set,
    "set_own": recording.set_own,
    "record_contacts": recording.record_contacts,
    "confirm_person": recording.confirm_person,
    "record_identities": recording.record_identities,
    "record_groups": recording.record_groups,
    "record_departure": recording.record_departure,
    "record_channels": recording.record_channels,
    "record_chat_settings": recording.record_chat_settings,
    "record_timer": recording.record_timer,
    "record_read": recording.record_read,
    "record_aside": recording.record_aside,
    "record_gap": recording.record_gap,
    "record_media_path": recording.record_media_path,
    "record_reading": recording.record_reading,
    "record_file_problem": recording.record_file_problem,
    "record_imported_file": recording.record_imported_file,
    # Sends.
    "outbox_add": outbox.add,
    "outbox_sending": outbox.sending,
    "outbox_sent": outbox.sent,
    "outbox_queued": outbox.queued,
    "outbox_released": outbox.released,
    "outbox_due": outbox.due,
    "outbox_asked": outbox.asked,
    "outbox_postponed": outbox.postponed,
    "outbox_withdrawn": outbox.withdrawn,
    "outbox_failed": outbox.failed,
    "outbox_unknown": outbox.unknown,
    "outbox_quarantine": outbox.quarantine,
    # Imports, and deleting for good.
    "import_begun": exchange.import_begun,
    "import_page": exchange.import_page,
    "import_files": exchange.import_files,
    "import_ended": exchange.import_ended,
    "import_undone": exchange.import_undone,
    "import_chat_export": exchange.import_chat_export,
    "purge_waiting": care.purge_waiting,
    "purge_messages": care.purge_messages,
    "purge_rest": care.purge_rest,
}
"""Functions that apply an operation, by the name that a log keeps: `WriteContext` first, then the values."""

NAMES: Final[Mapping[Callable[..., Any], str]] = {call: name for name, call in OPERATIONS.items()}
"""The name of each."""

VERSION: Final = 1
"""Version of the operations: it grows with their form, and when applying one gives another archive."""

# JSON has no bytes, and pydantic would take them for UTF-8.
_JSON: Final = ConfigDict(ser_json_bytes="base64", val_json_bytes="base64")


@dataclass(frozen=True, slots=True)
class WriteOperation:
    """One write.

    Attributes:
        name: A key of `OPERATIONS`.
        at: When it was made, in milliseconds since 1970.
        values: What it says, by name.
    """

    name: str
    at: int
    values: Mapping[str, Any]

    def to_json(self) -> bytes:
        """The operation as a log may carry it."""
        values = _values_of(self.name).model_construct(**self.values)
        return _ENVELOPE.dump_json((VERSION, self.name, self.at, values.model_dump_json()))

    @classmethod
    def from_json(cls, text: bytes) -> WriteOperation:
        """An operation from a log.

        Raises:
            ValueError: It is of another version, or not of the form that `to_json` gives.
        """
        # The version comes first: the rest of another one may have another form.
        version, *rest = _PARTS.validate_json(text)
        if version != VERSION:
            raise ValueError("The operation is of another version.")
        _, name, created_at, body = _ENVELOPE.validate_python((version, *rest))
        values = _values_of(name).model_validate_json(body)
        return cls(name, created_at, {field: getattr(values, field) for field in type(values).model_fields})


_PARTS: Final = TypeAdapter(tuple[Any, ...])
_ENVELOPE: Final = TypeAdapter(tuple[int, str, int, str])


@cache
def _values_of(name: str) -> type[BaseModel]:
    """The values of an operation as JSON, after the parameters of what applies it.

    Raises:
        ValueError: There is no such operation.
    """
    if name not in OPERATIONS:
        raise ValueError(f"There is no operation {name!r}.")
    call = OPERATIONS[name]
    # With the extras: `Annotated` says of an error (`Obstacle`) how it becomes JSON.
    hints = get_type_hints(call, include_extras=True)
    _, *names = inspect.signature(call).parameters
    fields: dict[str, Any] = {each: (hints[each], ...) for each in names}
    return create_model(name, __config__=_JSON, **fields)


def named(call: Callable[..., Any], args: Sequence[Any], kwargs: Mapping[str, Any]) -> dict[str, Any]:
    """The values of an operation by name, as it would get them from these arguments."""
    names, defaults = _parameters(call)
    return {**defaults, **dict(zip(names, args, strict=False)), **kwargs}


@cache
def _parameters(call: Callable[..., Any]) -> tuple[tuple[str, ...], Mapping[str, Any]]:
    """The names of an operation's values in their order, and the defaults."""
    # Not `Signature.bind` for each write, which costs as much as applying a small operation.
    _, *parameters = inspect.signature(call).parameters.values()
    return (
        tuple(each.name for each in parameters),
        {each.name: each.default for each in parameters if each.default is not each.empty},
    )
