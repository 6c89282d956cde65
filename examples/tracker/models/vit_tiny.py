"""OSTrack on ViT-Tiny, with parameters named as in timm's and OSTrack's files of weights."""

from __future__ import annotations

import math
import re
from collections import OrderedDict
from pathlib import Path
from typing import Any, List, Tuple

import torch
import torch.nn.functional as functional
from torch import Tensor, nn

from ...vit_weights import Weights, encoder_of, prefix_of, read_tensors, resize_positions
from .base import Maps, TrackerModel, add_branches

PATCH, WIDTH, DEPTH, HEADS = 16, 192, 12, 3
ELIMINATING = (3, 6, 9)  # blocks in which search tokens may be dropped
INSIDE = (1e-4, 1 - 1e-4)  # range of the maps, which never reach 0 or 1
BRANCHES = {"ctr": "score", "offset": "offset", "size": "size"}  # of the head: OSTrack's, ours


class Block(nn.Module):
    """Attention, then a layer of each token by itself; candidates are dropped in between."""

    def __init__(self) -> None:
        super().__init__()
        self.norm1 = nn.LayerNorm(WIDTH, eps=1e-6)
        self.attn = nn.ModuleDict()
        self.attn["qkv"], self.attn["proj"] = nn.Linear(WIDTH, 3 * WIDTH), nn.Linear(WIDTH, WIDTH)
        self.norm2 = nn.LayerNorm(WIDTH, eps=1e-6)
        layers = {"fc1": nn.Linear(WIDTH, 4 * WIDTH), "act": nn.GELU()}
        self.mlp = nn.Sequential(OrderedDict(**layers, fc2=nn.Linear(4 * WIDTH, WIDTH)))

    def forward(self, tokens: Tensor, n_template: int, n_kept: int) -> Tuple[Tensor, Any]:
        """Tokens of the template and of the search cells that are kept; which those are."""
        parts = self.attn["qkv"](self.norm1(tokens)).unflatten(2, (3, HEADS, WIDTH // HEADS))
        query, key, value = parts.permute(2, 0, 3, 1, 4).unbind(0)  # (B, heads, n, C / heads)
        mixed = functional.scaled_dot_product_attention(query, key, value)
        tokens, kept = tokens + self.attn["proj"](mixed.transpose(1, 2).flatten(2)), None
        if n_template + n_kept < tokens.shape[1]:
            side = math.isqrt(n_template)
            middle = (side - 1) // 2 * (side + 1)  # up and left of the very middle, as in OSTrack
            products = query[:, :, middle : middle + 1] @ key.transpose(2, 3)
            looked_at = (products * query.shape[-1] ** -0.5).softmax(dim=3).mean(dim=(1, 2))
            kept = looked_at[:, n_template:].topk(n_kept).indices
            candidates = tokens[:, n_template:].gather(1, kept[:, :, None].expand(-1, -1, WIDTH))
            tokens = torch.cat([tokens[:, :n_template], candidates], dim=1)
        return tokens + self.mlp(self.norm2(tokens)), kept


def wave_positions(side: int) -> Tensor:
    """Sines and cosines of x and y to start from, as MAE's, stretched over its 14 x 14 cells."""
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


def _head_layers() -> List[nn.Module]:
    return [
        nn.Sequential(nn.Conv2d(a, b, 3, padding=1), nn.BatchNorm2d(b), nn.ReLU(True))
        for a, b in ((WIDTH, 256), (256, 128), (128, 64), (64, 32))
    ]


class CentreHead(nn.Module):
    """Three maps of where the target's centre is, its offset within the cell, and its size."""

    def __init__(self) -> None:
        super().__init__()
        add_branches(self, _head_layers, 32)
        nn.init.constant_(self.offset[-1].bias, 0.5)  # the cell's middle
        for parameter in self.parameters():
            if parameter.dim() > 1:
                nn.init.xavier_uniform_(parameter)

    def forward(self, features: Tensor) -> Maps:
        offset = self.offset(features)
        held = offset.clamp(*INSIDE)
        if self.training:  # the gradient of what leaves [0, 1] leads back
            held = offset + (held - offset).detach()
        score, size = (part(features).sigmoid() for part in (self.score, self.size))
        score, size = score.clamp(*INSIDE), size.clamp(*INSIDE)
        return {"score_map": score, "offset_map": held, "size_map": size}


class VitTiny(TrackerModel):
    """OSTrack (Ye et al., ECCV 2022) with the paper's ViT-Tiny: 8 million parameters.

    One transformer sees both crops at once. Three of its blocks each keep a share ``keep_ratio`` of
    the search tokens. OSTrack keeps all at first and lowers it to 0.7 while it trains.
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
        self.head = CentreHead()

    def extra_repr(self) -> str:
        return f"keep_ratio={self.keep_ratio}"

    def load_pretrained(self, source: str) -> None:
        """Start the backbone from a plain ViT-Tiny's file, or everything from OSTrack's."""
        own, saved = self.state_dict(), read_tensors(Path(source).expanduser())
        prefix = prefix_of(saved)
        if f"{prefix}pos_embed_z" in saved:
            found = _from_ostrack(saved, prefix[: -len("backbone.")])
        else:
            # What stays ours: the head, and the last norm where the classifier has one of its own.
            kept = ("head.", "backbone.norm.")
            found = {name: value for name, value in own.items() if name.startswith(kept)}
            encoder = encoder_of(saved)
            found.update({f"backbone.{name}": value for name, value in encoder.items()})
            positions = encoder.get("pos_embed", torch.empty(0))
            for name in ("backbone.pos_embed_z", "backbone.pos_embed_x"):
                if positions.dim() == 3:
                    found[name] = resize_positions(positions, math.isqrt(own[name].shape[1]))
        for name, value in own.items():
            wanted = f"{source} must hold a ViT-Tiny"
            if name not in found:
                raise ValueError(f"{wanted}; it has nothing for {name}")
            shape, theirs = tuple(value.shape), tuple(found[name].shape)
            if theirs != shape:
                raise ValueError(f"{wanted}: {name} must have shape {shape}; got {theirs}")
        self.load_state_dict({name: found[name] for name in own})

    def embed(self, template: Tensor) -> Tensor:
        return self.backbone.tokens(self.normalise(template), self.backbone.pos_embed_z)

    def locate(self, embedded: Tensor, search: Tensor) -> Maps:
        """Maps of 16 x 16 cells of 16 pixels."""
        tokens = self.backbone.tokens(self.normalise(search), self.backbone.pos_embed_x)
        found = self.backbone(embedded, tokens, self.keep_ratio)
        return self.head(found.transpose(1, 2).unflatten(2, (self.side, self.side)))


def _from_ostrack(saved: Weights, prefix: str) -> Weights:
    """OSTrack's tensors by our names; its head numbers the layers of each branch from 1."""

    def renamed(found: re.Match[str]) -> str:
        return f"head.{BRANCHES[found[2]]}.{int(found[1]) - 1}."

    pattern = re.compile(r"box_head\.conv(\d)_(ctr|offset|size)\.")
    return {pattern.sub(renamed, name[len(prefix) :]): value for name, value in saved.items()}
