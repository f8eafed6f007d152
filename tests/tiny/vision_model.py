"""The tiny vision encoder in PyTorch: a vision transformer and a projector of two layers.

llama.cpp knows it as the projector type `mlp` (LLaVA's graph).
"""

from __future__ import annotations

from dataclasses import dataclass

import torch
import torch.nn.functional as F
from torch import Tensor, nn

from .vision_pictures import SIZE


@dataclass(frozen=True)
class EncoderShape:
    """The sizes of an encoder."""

    out: int  # width of the language model
    width: int = 128
    layers: int = 3
    heads: int = 4
    inner: int = 384  # unlike `width`: where both are equal, llama.cpp swaps two matrices
    patch: int = 8

    @property
    def patches(self) -> int:
        """Patches, and so tokens, of a picture."""
        return (SIZE // self.patch) ** 2


class EncoderBlock(nn.Module):
    """Attention and a feed-forward part, each added to the stream."""

    def __init__(self, shape: EncoderShape) -> None:
        super().__init__()
        d = shape.width
        self.heads = shape.heads
        self.norm1, self.norm2 = nn.LayerNorm(d), nn.LayerNorm(d)
        self.qkv, self.out = nn.Linear(d, 3 * d), nn.Linear(d, d)
        self.up, self.down = nn.Linear(d, shape.inner), nn.Linear(shape.inner, d)
        for linear in (self.out, self.down):
            nn.init.zeros_(linear.weight)
        for linear in (self.qkv, self.out, self.up, self.down):
            nn.init.zeros_(linear.bias)

    def forward(self, x: Tensor) -> Tensor:
        """(batch, patches, width) to the same."""
        batch, count, d = x.shape
        parts = self.qkv(self.norm1(x)).view(batch, count, 3, self.heads, d // self.heads)
        q, k, v = parts.permute(2, 0, 3, 1, 4).unbind(0)
        seen = F.scaled_dot_product_attention(q, k, v)
        x = x + self.out(seen.transpose(1, 2).reshape(batch, count, d))
        return x + self.down(F.gelu(self.up(self.norm2(x)), approximate="tanh"))


class TinyEncoder(nn.Module):
    """A picture to embeddings in the language model's width."""

    def __init__(self, shape: EncoderShape) -> None:
        super().__init__()
        self.shape = shape
        self.patch = nn.Conv2d(3, shape.width, shape.patch, shape.patch)
        self.position = nn.Parameter(torch.randn(shape.patches, shape.width) * 0.1)
        self.blocks = nn.ModuleList(EncoderBlock(shape) for _ in range(shape.layers))
        self.norm = nn.LayerNorm(shape.width)
        self.first = nn.Linear(shape.width, shape.out)
        self.second = nn.Linear(shape.out, shape.out)

    def states(self, pictures: Tensor) -> Tensor:
        """(batch, 3, size, size) of -1 to 1 to (batch, patches, width)."""
        x = self.patch(pictures).flatten(2).transpose(1, 2) + self.position
        for block in self.blocks:
            x = block(x)
        return self.norm(x)

    def project(self, states: Tensor) -> Tensor:
        """States to embeddings of the language model."""
        return self.second(F.gelu(self.first(states), approximate="tanh"))

    def matrices(self) -> list[tuple[nn.Linear, int]]:
        """Its matrices, and of how many each is made (for the optimiser)."""
        fused = [(block.qkv, 3) for block in self.blocks]
        single = [(m, 1) for b in self.blocks for m in (b.out, b.up, b.down)]
        return [*fused, *single, (self.first, 1), (self.second, 1)]
