"""The tiny language model in PyTorch: a llama in small, with the optimiser that trains it."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import torch
import torch.nn.functional as F
from torch import Tensor, nn

Cache = list[list[Tensor]]  # keys and values of each layer


@dataclass(frozen=True)
class Shape:
    """The sizes of a model."""

    vocabulary: int
    width: int = 160
    layers: int = 6
    heads: int = 5
    inner: int = 448  # of the feed-forward part
    context: int = 4096
    rope_base: float = 10000.0
    epsilon: float = 1e-5


class Norm(nn.Module):
    """Root-mean-square norm."""

    def __init__(self, width: int, epsilon: float) -> None:
        super().__init__()
        self.weight = nn.Parameter(torch.ones(width))
        self.epsilon = epsilon

    def forward(self, x: Tensor) -> Tensor:
        """Normed over the last dimension."""
        return F.rms_norm(x, (x.shape[-1],), self.weight, self.epsilon)


def rotate(x: Tensor, cos: Tensor, sin: Tensor) -> Tensor:
    """Rotary positions on neighbouring pairs (2i, 2i+1).

    That is what llama.cpp does for the architecture `llama`, so queries and keys are exported as
    they are; the permutation known from Hugging Face files would make nonsense of this model.
    """
    a, b = x[..., 0::2], x[..., 1::2]
    return torch.stack((a * cos - b * sin, a * sin + b * cos), -1).flatten(-2)


class Block(nn.Module):
    """Attention and a gated feed-forward part, each added to the stream."""

    def __init__(self, shape: Shape) -> None:
        super().__init__()
        d = shape.width
        self.heads = shape.heads
        self.attention_norm = Norm(d, shape.epsilon)
        self.feed_norm = Norm(d, shape.epsilon)
        self.qkv = nn.Linear(d, 3 * d, bias=False)
        self.out = nn.Linear(d, d, bias=False)
        self.gate_up = nn.Linear(d, 2 * shape.inner, bias=False)
        self.down = nn.Linear(shape.inner, d, bias=False)
        for linear in (self.qkv, self.gate_up):
            nn.init.normal_(linear.weight, std=d**-0.5)
        for linear in (self.out, self.down):
            nn.init.zeros_(linear.weight)

    def forward(self, x: Tensor, cos: Tensor, sin: Tensor, cache: list[Tensor] | None) -> Tensor:
        """(batch, time, width) to the same; `cache` grows by the new keys and values."""
        batch, time, d = x.shape
        parts = self.qkv(self.attention_norm(x)).view(batch, time, 3, self.heads, d // self.heads)
        q, k, v = parts.permute(2, 0, 3, 1, 4).unbind(0)
        q, k = rotate(q, cos, sin), rotate(k, cos, sin)
        if cache is not None:
            if cache:
                k, v = torch.cat((cache[0], k), 2), torch.cat((cache[1], v), 2)
            cache[:] = [k, v]
        seen = F.scaled_dot_product_attention(q, k, v, is_causal=time > 1)
        x = x + self.out(seen.transpose(1, 2).reshape(batch, time, d))
        gate, up = self.gate_up(self.feed_norm(x)).chunk(2, -1)
        return x + self.down(F.silu(gate) * up)


class TinyChat(nn.Module):
    """The whole model, with an output matrix of its own."""

    def __init__(self, shape: Shape) -> None:
        super().__init__()
        self.shape = shape
        self.embedding = nn.Embedding(shape.vocabulary, shape.width)
        self.output = nn.Linear(shape.width, shape.vocabulary, bias=False)
        nn.init.normal_(self.embedding.weight, std=0.7)
        nn.init.normal_(self.output.weight, std=0.01)
        self.blocks = nn.ModuleList(Block(shape) for _ in range(shape.layers))
        self.norm = Norm(shape.width, shape.epsilon)
        head = shape.width // shape.heads
        speed = shape.rope_base ** (-torch.arange(0, head, 2).float() / head)
        angle = torch.outer(torch.arange(shape.context).float(), speed)
        self.register_buffer("cos", angle.cos(), persistent=False)
        self.register_buffer("sin", angle.sin(), persistent=False)

    def trunk(self, x: Tensor, start: int = 0, cache: Cache | None = None) -> Tensor:
        """Embeddings (batch, time, width) to the states before the output matrix."""
        time = x.shape[1]
        cos, sin = self.cos[start : start + time], self.sin[start : start + time]
        for i, block in enumerate(self.blocks):
            x = block(x, cos, sin, None if cache is None else cache[i])
        return self.norm(x)

    def forward(self, ids: Tensor) -> Tensor:
        """Ids (batch, time) to logits."""
        return self.output(self.trunk(self.embedding(ids)))

    def matrices(self) -> list[tuple[nn.Linear, int]]:
        """The matrices inside the blocks, and of how many each is made (for the optimiser)."""
        fused = [(b.qkv, 3) for b in self.blocks] + [(b.gate_up, 2) for b in self.blocks]
        return fused + [(linear, 1) for b in self.blocks for linear in (b.out, b.down)]

    @torch.no_grad()
    def greedy(
        self, ids: Sequence[int], limit: int = 160, stop: Sequence[int] = (0, 2)
    ) -> list[int]:
        """The likeliest continuation, until a stop token."""
        cache: Cache = [[] for _ in self.blocks]
        step, start, said = list(ids), 0, []
        for _ in range(limit):
            states = self.trunk(self.embedding(torch.tensor([step])), start, cache)
            start += len(step)
            token = int(self.output(states[0, -1]).argmax())
            if token in stop:
                break
            said.append(token)
            step = [token]
        return said


def orthogonalised(g: Tensor, steps: int = 5) -> Tensor:
    """The nearest orthogonal matrices to a stack of matrices, by Newton-Schulz steps."""
    x = (g.mT if g.size(-2) > g.size(-1) else g).bfloat16()
    x = x / (x.norm(dim=(-2, -1), keepdim=True) + 1e-7)
    for _ in range(steps):
        a = x @ x.mT
        x = 3.4445 * x + (-4.7750 * a + 2.0315 * a @ a) @ x
    return (x.mT if g.size(-2) > g.size(-1) else x).to(g.dtype)


class Muon:
    """Momentum with orthogonalised updates for the matrices inside the blocks.

    A fused matrix (query, key and value; gate and up) is split, since each part is one matrix.
    """

    def __init__(
        self, matrices: Sequence[tuple[nn.Linear, int]], rate: float = 0.02, decay: float = 0.01
    ) -> None:
        self.matrices = [
            (linear.weight, parts, torch.zeros_like(linear.weight)) for linear, parts in matrices
        ]
        self.rate, self.decay, self.momentum = rate, decay, 0.95

    @torch.no_grad()
    def step(self, factor: float) -> None:
        """One update, `factor` times the full rate."""
        alike: dict[torch.Size, list[tuple[Tensor, Tensor]]] = {}
        for weight, parts, mean in self.matrices:
            assert weight.grad is not None
            mean.lerp_(weight.grad, 1 - self.momentum)
            update = weight.grad.lerp(mean, self.momentum)
            for target, part in zip(weight.data.chunk(parts), update.chunk(parts), strict=True):
                alike.setdefault(part.shape, []).append((target, part))
        for shape, pairs in alike.items():
            updates = orthogonalised(torch.stack([part for _, part in pairs]))
            scale = max(1.0, shape[0] / shape[1]) ** 0.5
            for (target, _), update in zip(pairs, updates, strict=True):
                target.mul_(1 - self.rate * factor * self.decay)
                target.add_(update, alpha=-self.rate * factor * scale)
