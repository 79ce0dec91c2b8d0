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
