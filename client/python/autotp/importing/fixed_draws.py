"""Random numbers that are always the same, to compare two ways to draw them:
every uniform number is a half, every mask what is more likely."""
import torch
from torch.utils._python_dispatch import TorchDispatchMode


class FixedDraws(TorchDispatchMode):
    def __torch_dispatch__(self, func, types, args=(), kwargs=None):
        kwargs = kwargs or {}
        name = func._schema.name
        if name in ("aten::rand", "aten::rand_like"):
            return func(*args, **kwargs).fill_(0.5)
        if name in ("aten::bernoulli", "aten::bernoulli_"):
            made = args[0] if name.endswith("_") else torch.empty_like(args[0])
            probability = args[1] if len(args) > 1 else 0.5
            if name == "aten::bernoulli" and len(args) == 1:
                probability = args[0]
            if isinstance(probability, torch.Tensor):
                return made.copy_(probability > 0.5)
            return made.fill_(float(probability > 0.5))
        if name == "aten::native_dropout":
            x, probability, train = args
            if not train:
                return x, torch.ones_like(x, dtype=torch.bool)
            kept = torch.full_like(x, probability < 0.5, dtype=torch.bool)
            return x * kept / max(1 - probability, 1e-30), kept
        return func(*args, **kwargs)
