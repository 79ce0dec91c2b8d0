"""Modules that importer_test.py imports: each has something that is hard to
export without memory. A factory returns the module and example inputs."""
import torch
from torch import nn


class Numbers(nn.Module):
    """Tensors that the forward makes of numbers."""

    def __init__(self):
        super().__init__()
        self.weight = nn.Parameter(torch.randn(3))

    def forward(self, x):
        scale = torch.tensor(3.5, device=x.device, dtype=x.dtype)
        places = torch.as_tensor([[1, 2, 3]]).to(x.device)
        offset = x.new_tensor([5.0, 6.0, 7.0])
        y = x * self.weight * scale + offset[[2]] + places * offset[[2, 0, 1]]
        return (y ** 2).mean()


def numbers():
    return Numbers(), {"x": torch.randn(2, 3)}


class Branch(nn.Module):
    """A branch that depends on the data."""

    def __init__(self):
        super().__init__()
        self.linear = nn.Linear(3, 3)

    def forward(self, x):
        y = self.linear(x)
        if y.sum() > 0:
            y = -y
        return y.mean()


def branch():
    return Branch(), {"x": torch.randn(2, 3)}


class Regions(nn.Module):
    """Parts without gradients, autocast, and changes in place of views."""

    def __init__(self):
        super().__init__()
        self.first, self.second = nn.Linear(4, 4), nn.Linear(4, 4)
        self.offset = torch.arange(4.0)  # no buffer

    def forward(self, x):
        y = self.first(x)
        with torch.no_grad():
            scale = y.abs().mean()
            with torch.enable_grad():
                z = self.second(y)
        with torch.autocast("cpu", enabled=False):
            z = z / scale + 2 * y.detach() * y + self.offset
        z[:, 0] = 0
        first, second = z.chunk(2, -1)
        z = torch.cat([first.relu(), second], -1)
        z.mul_(2)
        return {"count": (z > 0).sum(), "loss": (z ** 2).mean()}


def regions():
    return Regions(), {"x": torch.randn(2, 4)}


class Masks(nn.Module):
    """All ways to draw a mask."""

    def __init__(self):
        super().__init__()
        self.conv, self.linear = nn.Conv2d(3, 4, 3), nn.Linear(4, 4)
        self.channels, self.numbers = nn.Dropout2d(0.3), nn.Dropout(0.2)

    def forward(self, pixels):
        y = self.channels(self.conv(pixels)).mean((2, 3))
        y = torch.native_dropout(self.numbers(y), 0.1, True)[0]
        keep = 0.8  # of whole rows, as in drop path
        path = (keep + torch.rand((y.shape[0], 1))).floor_() / keep
        y = y + self.linear(y) * path
        y = y * torch.bernoulli(torch.full_like(y, 0.7))
        y = y.masked_fill(torch.rand(y.shape) < 0.3, 0)
        return (y * y.new_empty(y.shape).bernoulli_(0.9)).pow(2).mean()


def masks():
    return Masks(), {"pixels": torch.randn(2, 3, 6, 6)}


class Noise(nn.Module):
    """Random numbers that are no masks."""

    def __init__(self):
        super().__init__()
        self.linear = nn.Linear(3, 3)

    def forward(self, x):
        y = self.linear(x)
        return (y + torch.randn_like(y)).pow(2).mean()


def noise():
    return Noise(), {"x": torch.randn(2, 3)}


class Complex(nn.Module):
    """Complex numbers beyond rotary embeddings."""

    def __init__(self):
        super().__init__()
        self.linear, self.turn = nn.Linear(8, 8), nn.Parameter(torch.randn(4))
        self.shift = nn.Parameter(torch.randn(4, 2))
        angles = torch.outer(torch.arange(6.0), 10000.0 ** -torch.linspace(
            0, 0.75, 4))
        self.register_buffer("table", torch.polar(torch.ones(6, 4), angles),
                             persistent=False)

    def forward(self, x):
        y = torch.view_as_complex(self.linear(x).unflatten(-1, (4, 2)))
        y = y * self.table * torch.polar(torch.ones_like(self.turn), self.turn)
        y = y + torch.view_as_complex(self.shift)
        z = torch.view_as_real(y * y.conj() + 2 * y - 1j * y).flatten(2)
        return (z * torch.cat([y.real, y.imag - y.abs()], -1)).pow(2).mean()


def complex_numbers():
    return Complex(), {"x": torch.randn(2, 6, 8)}


class Straight(torch.autograd.Function):
    @staticmethod
    def forward(ctx, x):
        return x.round()

    @staticmethod
    def backward(ctx, gradient):
        return gradient


class Square(torch.autograd.Function):
    @staticmethod
    def forward(ctx, x):
        ctx.save_for_backward(x)
        return x * x

    @staticmethod
    def backward(ctx, gradient):
        return 2 * ctx.saved_tensors[0] * gradient


class Functions(nn.Module):
    """Backwards of their own: of one that is a gradient, or is not."""

    def __init__(self, function):
        super().__init__()
        self.linear, self.function = nn.Linear(3, 3), function

    def forward(self, x):
        return self.function.apply(self.linear(x)).pow(2).mean()


def square():
    return Functions(Square), {"x": torch.randn(2, 3)}


def straight():
    return Functions(Straight), {"x": torch.randn(2, 3)}


class Statistics(nn.Module):
    def __init__(self, frozen):
        super().__init__()
        self.linear, self.norm = nn.Linear(3, 4), nn.BatchNorm1d(4)
        self.frozen = frozen

    def train(self, mode=True):
        super().train(mode)
        self.norm.train(mode and not self.frozen)
        return self

    def forward(self, x):
        return self.norm(self.linear(x)).pow(2).mean()


def statistics():
    return Statistics(False), {"x": torch.randn(2, 3)}


def frozen_statistics():
    return Statistics(True), {"x": torch.randn(2, 3)}


class Lengths(nn.Module):
    """A tied head, positions and a mask: for any batch and length."""

    def __init__(self):
        super().__init__()
        self.tokens = nn.Embedding(20, 16)
        self.places = nn.Embedding(14, 16)
        self.head = nn.Linear(16, 20, bias=False)
        self.head.weight = self.tokens.weight

    def forward(self, input_ids, labels):
        length = input_ids.shape[1]
        y = self.tokens(input_ids) + self.places(torch.arange(length))
        z = y[:, None]
        y = nn.functional.scaled_dot_product_attention(z, z, z,
                                                       is_causal=True)[:, 0]
        return nn.functional.cross_entropy(
            self.head(y).flatten(0, 1), labels.flatten())


def lengths():
    ids = torch.arange(28).reshape(2, 14) % 20
    return Lengths(), {"input_ids": ids, "labels": ids}


class OwnLinear(nn.Module):
    """A matrix in a class that is no nn.Linear."""

    def __init__(self, inputs, outputs):
        super().__init__()
        self.weight = nn.Parameter(torch.randn(outputs, inputs) * 0.1)
        self.bias = nn.Parameter(torch.zeros(outputs))

    def forward(self, x):
        return x @ self.weight.t() + self.bias


class Pair(nn.Module):
    def __init__(self, width, inner):
        super().__init__()
        self.q_proj = nn.Linear(width, inner)
        self.o_proj = nn.Linear(inner, width)

    def forward(self, x):
        return self.o_proj(self.q_proj(x))


class Toys(nn.Module):
    """What DeepSpeed tests AutoTP with, one after the other: linears in a row,
    pairs of q and o, fused q, k and v, a matrix of one's own, a head."""

    def __init__(self, width=16, classes=21):
        super().__init__()
        self.linears = nn.ModuleList(nn.Linear(width, width) for _ in range(3))
        self.layers = nn.ModuleList(Pair(width, 2 * width) for _ in range(2))
        self.qkv = nn.Linear(width, 3 * width)
        self.custom = OwnLinear(width, width)
        self.lm_head = nn.Linear(width, classes)

    def forward(self, x, target):
        for linear in self.linears:
            x = x + linear(x)
        for layer in self.layers:
            x = x + layer(x)
        q, k, v = self.qkv(x).chunk(3, -1)
        x = torch.tanh(self.custom(x) + q * k + v)
        return nn.functional.cross_entropy(self.lm_head(x), target)


def toys():
    return Toys(), {"x": torch.randn(2, 16), "target": torch.arange(2)}


class Joins(nn.Module):
    """Every name that torch has for putting tensors beside each other."""

    def __init__(self, width=16):
        super().__init__()
        self.parts = nn.ModuleList(nn.Linear(width, width) for _ in range(3))
        self.down = nn.Linear(6 * width, width)

    def forward(self, x, target):
        first, second, third = (torch.tanh(part(x)) for part in self.parts)
        y = torch.cat([torch.concatenate([first, second], -1),
                       torch.concat([second, third], dim=-1)], -1)
        y = torch.cat([y, torch.hstack([third, first])], 1)
        return nn.functional.mse_loss(self.down(y), target)


def joins():
    return Joins(), {"x": torch.randn(2, 16), "target": torch.randn(2, 16)}
