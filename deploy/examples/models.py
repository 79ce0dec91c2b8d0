"""Modules of one's own, each with a loss, as `autotp import` takes them.

A factory returns the module and example inputs. Their names are the columns of
the data, their first dimension is a micro-batch (of any size, where the module
allows it), and what forward returns (first) is the loss.
"""
import torch
from torch import nn
from torch.nn import functional as F

MICRO_BATCH = 4


class LinearStack(nn.Module):
    """A regression: linears in a row, with no name that says which is which."""

    def __init__(self, width=16, hidden=48, outputs=4, depth=3):
        super().__init__()
        self.linears = nn.ModuleList(
            nn.Linear(width if i % 2 == 0 else hidden,
                      hidden if i % 2 == 0 else width)
            for i in range(2 * depth))
        self.head = nn.Linear(width, outputs)

    def forward(self, x, target):
        for first, second in zip(self.linears[::2], self.linears[1::2]):
            x = x + second(torch.tanh(first(x)))
        return F.mse_loss(self.head(x), target)


def linear_stack():
    return LinearStack(), {"x": torch.randn(MICRO_BATCH, 16),
                           "target": torch.randn(MICRO_BATCH, 4)}


class Attention(nn.Module):
    def __init__(self, width, heads):
        super().__init__()
        self.heads = heads
        self.q_proj = nn.Linear(width, width)
        self.k_proj = nn.Linear(width, width)
        self.v_proj = nn.Linear(width, width)
        self.o_proj = nn.Linear(width, width)

    def forward(self, x, mask):
        batch, length, width = x.shape

        def split(y):
            return y.view(batch, length, self.heads, -1).transpose(1, 2)

        y = F.scaled_dot_product_attention(
            split(self.q_proj(x)), split(self.k_proj(x)),
            split(self.v_proj(x)), attn_mask=mask)
        return self.o_proj(y.transpose(1, 2).reshape(batch, length, width))


class Block(nn.Module):
    def __init__(self, width, heads):
        super().__init__()
        self.attention = Attention(width, heads)
        self.norm1, self.norm2 = nn.LayerNorm(width), nn.LayerNorm(width)
        self.up_proj = nn.Linear(width, 4 * width)
        self.down_proj = nn.Linear(4 * width, width)

    def forward(self, x, mask):
        x = self.norm1(x + self.attention(x, mask))
        return self.norm2(x + self.down_proj(F.gelu(self.up_proj(x))))


class Classifier(nn.Module):
    """Sequences of vectors of any kind, told apart; no tokens at all."""

    def __init__(self, features=6, width=32, heads=4, classes=5):
        super().__init__()
        self.embed = nn.Linear(features, width)
        self.block = Block(width, heads)
        self.classify = nn.Linear(width, classes)

    def forward(self, features, labels):
        y = self.block(self.embed(features), None)
        return F.cross_entropy(self.classify(y.mean(1)), labels)


def classifier():
    return Classifier(), {"features": torch.randn(MICRO_BATCH, 10, 6),
                          "labels": torch.zeros(MICRO_BATCH,
                                                dtype=torch.long)}


class MaskedLanguageModel(nn.Module):
    """An encoder that guesses the tokens that were masked."""

    def __init__(self, vocabulary=48, length=12, width=32, heads=4, layers=2):
        super().__init__()
        self.tokens = nn.Embedding(vocabulary, width)
        self.positions = nn.Embedding(length, width)
        self.types = nn.Embedding(2, width)
        self.blocks = nn.ModuleList(Block(width, heads)
                                    for _ in range(layers))
        self.head = nn.Linear(width, vocabulary, bias=False)
        self.head.weight = self.tokens.weight

    def forward(self, input_ids, attention_mask, token_type_ids, labels):
        places = torch.arange(input_ids.shape[1], device=input_ids.device)
        x = (self.tokens(input_ids) + self.positions(places)
             + self.types(token_type_ids))
        mask = (attention_mask[:, None, None, :] != 0).expand(
            -1, 1, input_ids.shape[1], -1)
        for block in self.blocks:
            x = block(x, mask)
        logits = self.head(x)
        return F.cross_entropy(logits.view(-1, logits.shape[-1]),
                               labels.view(-1), ignore_index=-100)


def masked_language_model():
    ids = torch.ones(MICRO_BATCH, 12, dtype=torch.long)
    return MaskedLanguageModel(), {
        "input_ids": ids, "attention_mask": ids, "token_type_ids": ids * 0,
        "labels": ids}


class ImageClassifier(nn.Module):
    """A small net of convolutions; a part of the layers is left out of each
    sample's way where `drop_path` says so."""

    def __init__(self, channels=1, width=16, classes=4, drop_path=0.0):
        super().__init__()
        self.stem = nn.Conv2d(channels, width, 3, stride=2, padding=1)
        self.norm = nn.GroupNorm(4, width)
        self.up_proj = nn.Conv2d(width, 4 * width, 1)
        self.down_proj = nn.Conv2d(4 * width, width, 1)
        self.classify = nn.Linear(width, classes)
        self.drop_path = drop_path

    def forward(self, pixel_values, labels):
        x = F.gelu(self.stem(pixel_values))
        y = self.down_proj(F.gelu(self.up_proj(self.norm(x))))
        if self.training and self.drop_path > 0:
            keep = 1 - self.drop_path
            y = y / keep * torch.rand(len(y), 1, 1, 1).add(keep).floor()
        return F.cross_entropy(self.classify((x + y).mean((2, 3))), labels)


def image_classifier():
    return ImageClassifier(), {
        "pixel_values": torch.rand(MICRO_BATCH, 1, 12, 12),
        "labels": torch.zeros(MICRO_BATCH, dtype=torch.long)}
