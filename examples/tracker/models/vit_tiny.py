"""OSTrack's one-stream tracker on ViT-Tiny: one transformer sees template and search crop at once.

Parameters are named as in timm and OSTrack, so that their files of weights fit.
"""

from __future__ import annotations

import math
import re
from collections import OrderedDict
from pathlib import Path
from typing import Optional, Tuple

import torch
import torch.nn.functional as functional
from torch import Tensor, nn

from ...vit_weights import Weights, encoder_of, prefix_of, read_tensors, resize_positions
from .base import HEAD, Maps, TrackerModel

PATCH, WIDTH, DEPTH, HEADS = 16, 192, 12, 3
ELIMINATING = (3, 6, 9)  # blocks in which search tokens may be dropped
BRANCHES = {"ctr": "score", "offset": "offset", "size": "size"}  # of the head: OSTrack's, ours
MARGIN = 1e-4  # maps keep this distance from 0 and 1


class Attention(nn.Module):
    """Self-attention of the tokens of both crops."""

    def __init__(self) -> None:
        super().__init__()
        self.qkv = nn.Linear(WIDTH, 3 * WIDTH)
        self.proj = nn.Linear(WIDTH, WIDTH)

    def forward(self, tokens: Tensor) -> Tuple[Tensor, Tensor, Tensor]:
        """Tokens (B, n, C) to new ones; and queries and keys (B, heads, n, C / heads)."""
        parts = self.qkv(tokens).unflatten(2, (3, HEADS, WIDTH // HEADS)).permute(2, 0, 3, 1, 4)
        query, key, value = parts.unbind(0)
        mixed = functional.scaled_dot_product_attention(query, key, value)
        return self.proj(mixed.transpose(1, 2).flatten(2)), query, key


def attention_of(token: int, query: Tensor, key: Tensor) -> Tensor:
    """Attention of one token to each of the tokens, (B, n): the mean over the heads."""
    products = query[:, :, token : token + 1] @ key.transpose(2, 3)
    return (products * query.shape[-1] ** -0.5).softmax(dim=3).mean(dim=(1, 2))


class Block(nn.Module):
    """Attention, then a layer of each token by itself; candidates are dropped in between."""

    def __init__(self) -> None:
        super().__init__()
        self.norm1 = nn.LayerNorm(WIDTH, eps=1e-6)
        self.attn = Attention()
        self.norm2 = nn.LayerNorm(WIDTH, eps=1e-6)
        layers = {"fc1": nn.Linear(WIDTH, 4 * WIDTH), "act": nn.GELU()}
        self.mlp = nn.Sequential(OrderedDict(**layers, fc2=nn.Linear(4 * WIDTH, WIDTH)))

    def forward(
        self, tokens: Tensor, n_template: int, n_kept: int
    ) -> Tuple[Tensor, Optional[Tensor]]:
        """Tokens (B, n_template + n, C) to (B, n_template + n_kept, C).

        Kept are the search tokens which the template's middle looks at most. The second result
        says which, (B, n_kept) in [0, n); None if all are kept.
        """
        mixed, query, key = self.attn(self.norm1(tokens))
        tokens, kept = tokens + mixed, None
        if n_template + n_kept < tokens.shape[1]:
            side = math.isqrt(n_template)
            middle = (side - 1) // 2 * (side + 1)  # up and left of the very middle, as in OSTrack
            kept = attention_of(middle, query, key)[:, n_template:].topk(n_kept).indices
            candidates = tokens[:, n_template:].gather(1, kept[:, :, None].expand(-1, -1, WIDTH))
            tokens = torch.cat([tokens[:, :n_template], candidates], dim=1)
        return tokens + self.mlp(self.norm2(tokens)), kept


def wave_positions(side: int) -> Tensor:
    """Position embeddings (1, side * side, C) to start from: sines and cosines of x and of y.

    As in MAE on its 14 x 14 cells; other grids are stretched over those.
    """
    steps = (torch.arange(side) + 0.5) * 14 / side - 0.5
    rates = 10_000.0 ** -(torch.arange(WIDTH // 4) / (WIDTH // 4))
    angles = steps[:, None] * rates
    waves = torch.cat([angles.sin(), angles.cos()], dim=1)
    x, y = waves.expand(side, -1, -1), waves[:, None].expand(-1, side, -1)
    return torch.cat([x, y], dim=2).flatten(0, 1)[None]


class VisionTransformer(nn.Module):
    """ViT-Tiny (Dosovitskiy et al., ICLR 2021; DeiT-Tiny's size) with positions for two crops."""

    def __init__(self, template_side: int, search_side: int) -> None:
        super().__init__()
        self.patch_embed = nn.Sequential(OrderedDict(proj=nn.Conv2d(3, WIDTH, PATCH, PATCH)))
        self.pos_embed_z = nn.Parameter(wave_positions(template_side))
        self.pos_embed_x = nn.Parameter(wave_positions(search_side))
        self.blocks = nn.ModuleList([Block() for _ in range(DEPTH)])
        self.norm = nn.LayerNorm(WIDTH, eps=1e-6)
        for module in self.modules():
            if isinstance(module, nn.Linear):
                nn.init.trunc_normal_(module.weight, std=0.02)
                nn.init.zeros_(module.bias)

    def tokens(self, crops: Tensor, positions: Tensor) -> Tensor:
        """Normalised crops (B, 3, h, w) to tokens (B, cells, C)."""
        return self.patch_embed(crops).flatten(2).transpose(1, 2) + positions

    def forward(self, template: Tensor, search: Tensor, keep_ratio: float) -> Tensor:
        """Tokens of both crops to those of the search crop; zeros where one was dropped."""
        n_template, n_cells = template.shape[1], search.shape[1]
        tokens, n_kept, places = torch.cat([template, search], dim=1), n_cells, None
        for i, block in enumerate(self.blocks):
            if i in ELIMINATING:
                n_kept = math.ceil(keep_ratio * n_kept)
            tokens, kept = block(tokens, n_template, n_kept)
            if kept is not None:
                places = kept if places is None else places.gather(1, kept)
        found = self.norm(tokens[:, n_template:])
        if places is None:
            return found
        where = places[:, :, None].expand(-1, -1, WIDTH)
        return found.new_zeros(search.shape).scatter(1, where, found)


class CentreHead(nn.Module):
    """Three maps of where the target's centre is, its offset within the cell, and its size."""

    def __init__(self, n_in: int, width: int) -> None:
        super().__init__()
        self.score = self._branch(n_in, width, 1)
        self.offset = self._branch(n_in, width, 2)
        self.size = self._branch(n_in, width, 2)
        for parameter in self.parameters():
            if parameter.dim() > 1:
                nn.init.xavier_uniform_(parameter)
        # 1 cell in 256, the cell's middle, 1/4 of the crop.
        for name, value in zip(HEAD, (-4.0, 0.5, -1.1)):
            nn.init.constant_(getattr(self, name)[-1].bias, value)

    @staticmethod
    def _branch(n_in: int, width: int, n_out: int) -> nn.Sequential:
        widths = (n_in, width, width // 2, width // 4, width // 8)
        layers = [
            nn.Sequential(nn.Conv2d(a, b, 3, padding=1), nn.BatchNorm2d(b), nn.ReLU(inplace=True))
            for a, b in zip(widths, widths[1:])
        ]
        return nn.Sequential(*layers, nn.Conv2d(widths[-1], n_out, 1))

    def forward(self, features: Tensor) -> Maps:
        """Features (B, C, h, w) to the maps of `TrackerModel.locate`."""
        offset = self.offset(features)
        held = within_margin(offset)
        if self.training:  # the gradient of what leaves [0, 1] leads back
            held = offset + (held - offset).detach()
        score = within_margin(self.score(features).sigmoid())
        size = within_margin(self.size(features).sigmoid())
        return {"score_map": score, "offset_map": held, "size_map": size}


def within_margin(values: Tensor) -> Tensor:
    return values.clamp(MARGIN, 1 - MARGIN)


class VitTiny(TrackerModel):
    """OSTrack (Ye et al., ECCV 2022) with the paper's ViT-Tiny: 8 million parameters.

    With candidate elimination, blocks 3, 6 and 9 each drop the search tokens that the middle of the
    template looks at least. ``keep_ratio`` is the share that each of them keeps; 1: all, 0.7: as in
    OSTrack. A training program may start with 1 and lower the attribute later, as OSTrack does.
    """

    template_size, search_size = 128, 256
    mean, std = (123.675, 116.28, 103.53), (58.395, 57.12, 57.375)

    def __init__(self, keep_ratio: float = 1.0) -> None:
        if not 0 < keep_ratio <= 1:
            raise ValueError(f"keep_ratio must be in (0, 1]; got {keep_ratio}")
        super().__init__()
        self.keep_ratio = keep_ratio
        self.side = self.search_size // PATCH
        self.backbone = VisionTransformer(self.template_size // PATCH, self.side)
        self.head = CentreHead(WIDTH, 256)

    def extra_repr(self) -> str:
        return f"keep_ratio={self.keep_ratio}"

    def load_pretrained(self, source: str) -> None:
        """Start from a file of weights of a ViT-Tiny, or of OSTrack with one.

        A plain ViT's, in timm's or MAE's format, fill the backbone, position embeddings
        interpolated; a checkpoint that OSTrack saved fills everything. What the file has beyond
        that, such as a classifier, is left out. A file that does not fit changes nothing.
        """
        own = self.state_dict()
        saved = read_tensors(Path(source).expanduser())
        prefix = prefix_of(saved)
        if f"{prefix}pos_embed_z" in saved:
            found, wanted = _from_ostrack(saved, prefix[: -len("backbone.")]), list(own)
        else:
            found = _from_encoder(encoder_of(saved), own)
            wanted = [name for name in own if name.startswith("backbone.")]
            if "backbone.norm.weight" not in found:  # where the classifier has a norm of its own
                wanted = [name for name in wanted if not name.startswith("backbone.norm.")]
        for name in wanted:
            if name not in found:
                raise ValueError(f"{source} must hold a ViT-Tiny; it has nothing for {name}")
            shape, theirs = tuple(own[name].shape), tuple(found[name].shape)
            if theirs != shape:
                words = f"{name} must have shape {shape}; got {theirs}"
                raise ValueError(f"{source} must hold a ViT-Tiny: {words}")
        self.load_state_dict({**own, **{name: found[name] for name in wanted}})

    def embed(self, template: Tensor) -> Tensor:
        """Tokens of the template's 8 x 8 patches, (B, 64, 192)."""
        return self.backbone.tokens(self.normalise(template), self.backbone.pos_embed_z)

    def locate(self, embedded: Tensor, search: Tensor) -> Maps:
        """Maps as `TrackerModel.locate` says, 16 x 16 cells of 16 pixels."""
        tokens = self.backbone.tokens(self.normalise(search), self.backbone.pos_embed_x)
        found = self.backbone(embedded, tokens, self.keep_ratio)
        return self.head(found.transpose(1, 2).unflatten(2, (self.side, self.side)))


def _from_ostrack(saved: Weights, prefix: str) -> Weights:
    """OSTrack's tensors by our names; its head numbers the layers of each branch from 1."""

    def renamed(found: re.Match[str]) -> str:
        return f"head.{BRANCHES[found[2]]}.{int(found[1]) - 1}."

    pattern = re.compile(r"box_head\.conv(\d)_(ctr|offset|size)\.")
    return {pattern.sub(renamed, name[len(prefix) :]): value for name, value in saved.items()}


def _from_encoder(saved: Weights, own: Weights) -> Weights:
    """A plain ViT's tensors by our names, its positions interpolated to both crops."""
    found = {f"backbone.{name}": value for name, value in saved.items()}
    positions = saved.get("pos_embed")
    if positions is not None and positions.dim() == 3:
        for name in ("backbone.pos_embed_z", "backbone.pos_embed_x"):
            found[name] = resize_positions(positions, math.isqrt(own[name].shape[1]))
    return found
