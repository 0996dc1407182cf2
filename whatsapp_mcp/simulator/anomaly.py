"""What the simulated WhatsApp logs of its clients."""

from dataclasses import dataclass


@dataclass(frozen=True, slots=True)
class Anomaly:
    """Something that a faultless client would not have done: `kind` is a word, `detail` says what."""

    kind: str
    detail: str
