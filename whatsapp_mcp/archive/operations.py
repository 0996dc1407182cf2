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
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from functools import cache
from typing import Any, Final, get_type_hints

from pydantic import BaseModel, ConfigDict, TypeAdapter, create_model

from whatsapp_mcp.archive import care, exchange, write

OPERATIONS: Final[Mapping[str, Callable[..., Any]]] = {
    call.__name__: call
    for call in (
        # What came from WhatsApp, decoded.
        write.ingest,
        write.open_addons,
        write.redecode,
        # What the device has looked up or done.
        write.meta_set,
        write.set_own,
        write.record_contacts,
        write.confirm_person,
        write.record_identities,
        write.record_groups,
        write.record_departure,
        write.record_channels,
        write.record_chat_settings,
        write.record_timer,
        write.record_read,
        write.record_aside,
        write.record_gap,
        write.record_media_path,
        write.record_reading,
        write.record_file_problem,
        # Sends.
        write.outbox_add,
        write.outbox_sending,
        write.outbox_sent,
        write.outbox_queued,
        write.outbox_released,
        write.outbox_due,
        write.outbox_asked,
        write.outbox_postponed,
        write.outbox_withdrawn,
        write.outbox_failed,
        write.outbox_unknown,
        write.outbox_quarantine,
        # Imports, and deleting for good.
        exchange.import_begun,
        exchange.import_page,
        exchange.import_files,
        exchange.import_ended,
        exchange.import_undone,
        exchange.import_chat_export,
        write.record_imported_file,
        care.purge_waiting,
        care.purge_messages,
        care.purge_rest,
    )
}
"""By name, what applies each: it takes `Applying`, and the values by name."""

VERSION: Final = 1
"""Of operations: it grows with their form, and when applying one gives another archive than before."""

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
        version, *rest = _PARTS.validate_json(text)
        if version != VERSION:
            raise ValueError("The operation is of another version.")
        _, name, at, body = _ENVELOPE.validate_python((version, *rest))
        values = _values_of(name).model_validate_json(body)
        return cls(name, at, {field: getattr(values, field) for field in type(values).model_fields})


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
    hints = get_type_hints(call, include_extras=True)
    _, *names = inspect.signature(call).parameters
    fields: dict[str, Any] = {each: (hints[each], ...) for each in names}
    return create_model(name, __config__=_JSON, **fields)
