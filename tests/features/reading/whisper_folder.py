"""A Whisper model with random weights: it loads and runs as a real one does, and what it says is noise."""

from __future__ import annotations

import hashlib
import json
from pathlib import Path
from typing import Any, Final

import numpy as np
import tokenizers
from ctranslate2.specs import whisper_spec

from whatsapp_mcp.features.reading.speech import languages, models
from whatsapp_mcp.features.reading.speech.models import Model, Record, RecordedFile

_WIDTH: Final = 16
_MELS: Final = 80
_POSITIONS: Final = 1500
_TOKENS: Final = 448
_MULTILINGUAL: Final = ""
"""A token that CTranslate2 finds in models which know more than English."""
_SPECIAL: Final = (
    "<|endoftext|>",
    "<|startoftranscript|>",
    *(f"<|{code}|>" for code in languages.NAMES),
    *(f"<|{name}|>" for name in ("translate", "transcribe", "startoflm", "startofprev", "nospeech")),
    "<|notimestamps|>",
    *(f"<|{number * 0.02:.2f}|>" for number in range(_POSITIONS + 1)),
)


def make_whisper_files(folder: Path, seed: int = 1) -> None:
    """Write the files that faster-whisper loads: weights, configuration, vocabulary, tokeniser, features."""
    folder.mkdir(parents=True, exist_ok=True)
    letters = sorted(tokenizers.pre_tokenizers.ByteLevel.alphabet())
    words = [*letters, _MULTILINGUAL]
    tokens = [*words, *_SPECIAL]
    tokenizer: Any = tokenizers.Tokenizer(
        tokenizers.models.BPE(vocab={word: place for place, word in enumerate(words)}, merges=[])
    )
    tokenizer.pre_tokenizer = tokenizers.pre_tokenizers.ByteLevel(add_prefix_space=False)
    tokenizer.decoder = tokenizers.decoders.ByteLevel()
    tokenizer.add_special_tokens(list(_SPECIAL))
    tokenizer.save(str(folder / "tokenizer.json"))
    spec: Any = whisper_spec.WhisperSpec(1, 1, 1, 1)
    _Weights(seed).fill(spec, len(tokens))
    spec.register_vocabulary(tokens)
    spec.config.suppress_ids = spec.config.suppress_ids_begin = []
    spec.config.lang_ids = [tokens.index(f"<|{code}|>") for code in languages.NAMES]
    spec.config.alignment_heads = [[0, 0]]
    spec.validate()
    spec.save(str(folder))
    features = {"feature_size": _MELS, "sampling_rate": 16_000, "hop_length": 160, "chunk_length": 30}
    (folder / "preprocessor_config.json").write_text(json.dumps({**features, "n_fft": 400}))


def make_whisper_model(home: Path, name: str = "small") -> Model:
    """Such a model where an installed one would be, with its record."""
    folder = models.folder_of(home, name)
    make_whisper_files(folder)
    files = {
        path.name: RecordedFile(path.stat().st_size, hashlib.sha256(path.read_bytes()).hexdigest())
        for path in folder.iterdir()
    }
    record = Record(name, "http://127.0.0.1", f"test/{name}", "a" * 40, "2026-01-01T00:00:00+00:00", files)
    models.write_record(folder, record)
    return Model(folder, record)


class _Weights:
    """Puts random numbers wherever a model has weights."""

    def __init__(self, seed: int) -> None:
        self._chance = np.random.default_rng(seed)

    def fill(self, spec: Any, vocabulary: int) -> None:
        encoder, decoder = spec.encoder, spec.decoder
        for convolution, depth in ((encoder.conv1, _MELS), (encoder.conv2, _WIDTH)):
            convolution.weight, convolution.bias = self._random(_WIDTH, depth, 3), _zeros(_WIDTH)
        encoder.position_encodings.encodings = self._random(_POSITIONS, _WIDTH)
        decoder.position_encodings.encodings = self._random(_TOKENS, _WIDTH)
        decoder.embeddings.weight = self._random(vocabulary, _WIDTH)
        decoder.projection.weight = self._random(vocabulary, _WIDTH)
        for half in (encoder, decoder):
            _norm(half.layer_norm)
            for layer in half.layer:
                self._layer(layer)

    def _layer(self, layer: Any) -> None:
        for attention in (layer.self_attention, getattr(layer, "attention", None)):
            if attention is not None:
                _norm(attention.layer_norm)
                heights = (3, 1) if len(attention.linear) == 2 else (1, 2, 1)
                for linear, height in zip(attention.linear, heights, strict=True):
                    self._linear(linear, height * _WIDTH, _WIDTH)
        _norm(layer.ffn.layer_norm)
        self._linear(layer.ffn.linear_0, 4 * _WIDTH, _WIDTH)
        self._linear(layer.ffn.linear_1, _WIDTH, 4 * _WIDTH)

    def _linear(self, linear: Any, height: int, width: int) -> None:
        linear.weight, linear.bias = self._random(height, width), _zeros(height)

    def _random(self, *shape: int) -> Any:
        return (self._chance.standard_normal(shape) * 0.05).astype(np.float32)


def _norm(norm: Any) -> None:
    norm.gamma, norm.beta = np.ones(_WIDTH, np.float32), _zeros(_WIDTH)


def _zeros(size: int) -> Any:
    return np.zeros(size, np.float32)
