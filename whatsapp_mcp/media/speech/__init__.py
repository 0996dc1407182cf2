"""Speech to text: engines behind one interface, their models, and which of them the settings mean."""

from whatsapp_mcp.media.speech.options import SpeechOptions, sends_away, speech_options, why_no_speech
from whatsapp_mcp.media.speech.recogniser import LONGEST_RECORDING, Transcript, without_pauses
from whatsapp_mcp.media.speech.service import Service

__all__ = [
    "LONGEST_RECORDING",
    "Service",
    "SpeechOptions",
    "Transcript",
    "sends_away",
    "speech_options",
    "why_no_speech",
    "without_pauses",
]
