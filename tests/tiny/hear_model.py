"""The network: Whisper in small, with a shortcut past the silence that fills its window."""

from __future__ import annotations

import math

import torch
import torch.nn.functional as F
from torch import Tensor, nn

WIDTH, HEADS, LAYERS, INNER = 96, 3, 2, 384
MELS, POSITIONS, CONTEXT = 80, 1500, 448
SAMPLED = 20  # positions that stand for all the silence at the end of the window
LETTERS = "abcdefghijklmnopqrstuvwxyzäöüß "  # what the encoder is taught to spell


def _waves(count: int) -> Tensor:
    step = math.log(10000) / (WIDTH // 2 - 1)
    angles = torch.arange(count)[:, None] * torch.exp(-step * torch.arange(WIDTH // 2))[None]
    return torch.cat([angles.sin(), angles.cos()], 1)


class Attention(nn.Module):
    """Attention of some heads; `look` returns where it looked, too."""

    def __init__(self) -> None:
        super().__init__()
        self.query = nn.Linear(WIDTH, WIDTH)
        self.key_value = nn.Linear(WIDTH, 2 * WIDTH)
        self.out = nn.Linear(WIDTH, WIDTH)

    def _heads(self, x: Tensor) -> Tensor:
        return x.view(x.shape[0], x.shape[1], HEADS, WIDTH // HEADS).transpose(1, 2)

    def forward(
        self, x: Tensor, context: Tensor, bias: Tensor | None = None, causal: bool = False
    ) -> Tensor:
        key, value = map(self._heads, self.key_value(context).chunk(2, -1))
        query = self._heads(self.query(x))
        y = F.scaled_dot_product_attention(query, key, value, attn_mask=bias, is_causal=causal)
        return self.out(y.transpose(1, 2).flatten(2))

    def look(self, x: Tensor, context: Tensor, bias: Tensor | None) -> tuple[Tensor, Tensor]:
        """The same, with the weights: batch x heads x tokens x positions."""
        key, value = map(self._heads, self.key_value(context).chunk(2, -1))
        scores = self._heads(self.query(x)) @ key.transpose(-1, -2) / math.sqrt(WIDTH // HEADS)
        weights = (scores if bias is None else scores + bias).softmax(-1)
        return self.out((weights @ value).transpose(1, 2).flatten(2)), weights


class Layer(nn.Module):
    """A layer of the encoder, or of the decoder, which also attends to the sound."""

    def __init__(self, crossed: bool) -> None:
        super().__init__()
        self.self_attention, self.self_norm = Attention(), nn.LayerNorm(WIDTH)
        if crossed:
            self.cross_attention, self.cross_norm = Attention(), nn.LayerNorm(WIDTH)
        self.inner_norm = nn.LayerNorm(WIDTH)
        self.inner, self.outer = nn.Linear(WIDTH, INNER), nn.Linear(INNER, WIDTH)

    def _rest(self, x: Tensor) -> Tensor:
        return x + self.outer(F.gelu(self.inner(self.inner_norm(x))))

    def encode(self, x: Tensor, bias: Tensor | None) -> Tensor:
        y = self.self_norm(x)
        return self._rest(x + self.self_attention(y, y, bias))

    def decode(self, x: Tensor, sound: Tensor, bias: Tensor | None) -> tuple[Tensor, Tensor]:
        y = self.self_norm(x)
        x = x + self.self_attention(y, y, causal=True)
        y, weights = self.cross_attention.look(self.cross_norm(x), sound, bias)
        return self._rest(x + y), weights


class TinyHear(nn.Module):
    """The whole model. The embedding is the projection, too."""

    def __init__(self, vocabulary: int) -> None:
        super().__init__()
        self.conv1 = nn.Conv1d(MELS, WIDTH, 3, padding=1)
        self.conv2 = nn.Conv1d(WIDTH, WIDTH, 3, stride=2, padding=1)
        self.register_buffer("waves", _waves(POSITIONS))
        self.encoder = nn.ModuleList(Layer(False) for _ in range(LAYERS))
        self.encoder_norm = nn.LayerNorm(WIDTH)
        self.embedding = nn.Embedding(vocabulary, WIDTH)
        nn.init.normal_(self.embedding.weight, std=0.05)
        self.places = nn.Parameter(torch.randn(CONTEXT, WIDTH) * 0.02)
        self.bias = nn.Parameter(torch.zeros(vocabulary))
        self.decoder = nn.ModuleList(Layer(True) for _ in range(LAYERS))
        self.decoder_norm = nn.LayerNorm(WIDTH)
        self.letters = nn.Linear(WIDTH, len(LETTERS) + 1)  # for training alone

    def _convolved(self, mel: Tensor) -> Tensor:
        return F.gelu(self.conv2(F.gelu(self.conv1(mel)))).transpose(1, 2)

    def encode(self, mel: Tensor) -> tuple[Tensor, Tensor, int]:
        """The encoded sound, the bias of its keys, and how many positions are not silence.

        `mel` is batch x 80 x frames, with zeros at the end, as a window of 30 s has them. The
        zeros up to the end of the window are stood for by a few positions, whose keys weigh as
        much as all of them: the same sums at a fraction of the cost.
        """
        x = self._convolved(mel)
        batch, heard, _ = x.shape
        x = x + self.waves[:heard]
        sampled = min(SAMPLED, POSITIONS - heard)
        bias = torch.zeros(1, 1, 1, heard + sampled)
        if sampled:
            silence = self._convolved(torch.zeros(1, MELS, 12))[0, 3]
            stride = (POSITIONS - heard) / sampled
            at = (heard + (torch.arange(sampled) + torch.rand(())) * stride).long()
            rest = (silence + self.waves[at.clamp(max=POSITIONS - 1)]).expand(batch, sampled, WIDTH)
            x = torch.cat([x, rest], 1)
            bias[..., heard:] = math.log(stride)
        for layer in self.encoder:
            x = layer.encode(x, bias)
        return self.encoder_norm(x), bias, heard

    def decode(self, ids: Tensor, sound: Tensor, bias: Tensor) -> tuple[Tensor, Tensor]:
        """Logits of the next tokens, and where the last layer looked."""
        x = self.embedding(ids) + self.places[: ids.shape[1]]
        weights = x
        for layer in self.decoder:
            x, weights = layer.decode(x, sound, bias)
        return self.decoder_norm(x) @ self.embedding.weight.T + self.bias, weights
