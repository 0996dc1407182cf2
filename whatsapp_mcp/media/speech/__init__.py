"""Speech to text: engines behind one interface, their models, and which of them the settings mean."""

from whatsapp_mcp.media.speech.hub import DEFAULT as DEFAULT_HUB
from whatsapp_mcp.media.speech.hub import Offer as ModelOffer
from whatsapp_mcp.media.speech.hub import open_hub
from whatsapp_mcp.media.speech.models import Record as ModelRecord
from whatsapp_mcp.media.speech.models import all_installed as installed_models
from whatsapp_mcp.media.speech.models import installed as installed_model
from whatsapp_mcp.media.speech.models import remove as remove_model
from whatsapp_mcp.media.speech.options import SpeechOptions, sends_away, speech_options, why_no_speech
from whatsapp_mcp.media.speech.recogniser import LONGEST_RECORDING, Transcript, without_pauses
from whatsapp_mcp.media.speech.service import Service

__all__ = [
    "DEFAULT_HUB",
    "LONGEST_RECORDING",
    "ModelOffer",
    "ModelRecord",
    "Service",
    "SpeechOptions",
    "Transcript",
    "installed_model",
    "installed_models",
    "open_hub",
    "remove_model",
    "sends_away",
    "speech_options",
    "why_no_speech",
    "without_pauses",
]
