"""Client errors that the simulated WhatsApp logs."""

from dataclasses import dataclass


@dataclass(frozen=True, slots=True)
class Anomaly:
    """Something that a correct client does not do: `kind` is its category, `detail` describes it."""

    kind: str
    detail: str
