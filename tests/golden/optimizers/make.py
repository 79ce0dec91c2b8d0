"""Makes values.json and schedules.json: what PyTorch and DeepSpeed compute.

    python make.py DEEPSPEED_SOURCE

Needs PyTorch, and DeepSpeed's source for its schedules, Lion, Lamb and Muon.
What DeepSpeed has as CUDA kernels only (Lion, Lamb) is written out here along
those kernels. Everything runs in float64, so that the numbers are the
formulas' own: an fp32 implementation has to come within its own rounding.
"""

import importlib.util
import json
import math
import pathlib
import sys
import types

import torch

STEPS = 24
SHAPE = (4, 6)
HERE = pathlib.Path(__file__).parent


def start():
    # Any numbers will do; the test makes the same ones.
    count = SHAPE[0] * SHAPE[1]
    return torch.tensor(
        [math.sin(0.7 * i + 0.3) for i in range(count)], dtype=torch.float64
    ).reshape(SHAPE)


def gradient(step):
    count = SHAPE[0] * SHAPE[1]
    return torch.tensor(
        [math.sin(0.37 * i * i + 0.9 * step) * (1 + i % 3) for i in range(count)],
        dtype=torch.float64,
    ).reshape(SHAPE)


def run_torch(make, steps=STEPS):
    weight = torch.nn.Parameter(start())
    optimizer = make([weight])
    out = []
    for step in range(1, steps + 1):
        weight.grad = gradient(step)
        optimizer.step()
        out.append(weight.detach().flatten().tolist())
    return out


def run_formula(update):
    weight, state, out = start(), {}, []
    for step in range(1, STEPS + 1):
        update(weight, gradient(step), state, step)
        out.append(weight.flatten().tolist())
    return out


def lion(lr, betas, decay):
    def update(w, g, state, step):
        m = state.setdefault("m", torch.zeros_like(w))
        direction = torch.sign(betas[0] * m + (1 - betas[0]) * g)
        w.mul_(1 - lr * decay).sub_(lr * direction)
        m.mul_(betas[1]).add_(g, alpha=1 - betas[1])

    return update


def lamb(lr, betas, eps, decay, low=0.01, high=10.0, inside=False):
    def update(w, g, state, step):
        m = state.setdefault("m", torch.zeros_like(w))
        v = state.setdefault("v", torch.zeros_like(w))
        m.mul_(betas[0]).add_(g, alpha=1 - betas[0])
        v.mul_(betas[1]).add_(g * g, alpha=1 - betas[1])
        root = (v + eps).sqrt() if inside else v.sqrt() + eps
        u = m / root + decay * w
        ratio = min(max((w.norm() / u.norm()).item(), low), high)
        size = lr * math.sqrt(1 - betas[1] ** step) / (1 - betas[0] ** step)
        w.sub_(size * ratio * u)

    return update


def load(path, name, stubs):
    sys.modules.update(stubs)
    spec = importlib.util.spec_from_file_location(name, path)
    module = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(module)
    return module


def muon(source, lr, momentum, decay, transpose):
    class Accelerator:
        def is_bf16_supported(self):
            return False

        is_fp16_supported = is_bf16_supported

    deepspeed = types.ModuleType("deepspeed")
    comm = types.ModuleType("deepspeed.comm")
    deepspeed.comm = comm
    runtime = types.ModuleType("deepspeed.runtime")
    compiler = types.ModuleType("deepspeed.runtime.compiler")
    compiler.compile = lambda: lambda function: function
    runtime.compiler = compiler
    accelerator = types.ModuleType("deepspeed.accelerator")
    accelerator.get_accelerator = Accelerator
    path = pathlib.Path(source) / "deepspeed/runtime/zero/muon/original_muon.py"
    module = load(
        path,
        "original_muon",
        {
            "deepspeed": deepspeed,
            "deepspeed.comm": comm,
            "deepspeed.runtime": runtime,
            "deepspeed.runtime.compiler": compiler,
            "deepspeed.accelerator": accelerator,
        },
    )
    # It computes in fp32 at best; here in double, as all else.
    module.torch = types.SimpleNamespace(
        **{k: getattr(torch, k) for k in ("Tensor", "no_grad", "zeros_like")},
        float32=torch.float64,
        bfloat16=torch.float64,
        float16=torch.float64,
    )

    def update(w, g, state, step):
        m = state.setdefault("m", torch.zeros_like(w))
        if transpose:
            m = m.T
            w, g = w.T, g.T
        u = module.muon_update(g.clone(), m, beta=momentum, ns_method="standard")
        w.mul_(1 - lr * decay).add_(u, alpha=-lr)

    return update


def optimizers(source):
    o = torch.optim
    return {
        "adamw": run_torch(lambda p: o.AdamW(p, lr=0.01, betas=(0.9, 0.95), eps=1e-8, weight_decay=0.1)),
        "adam_l2": run_torch(lambda p: o.Adam(p, lr=0.01, betas=(0.9, 0.95), eps=1e-8, weight_decay=0.1)),
        "adagrad": run_torch(lambda p: o.Adagrad(p, lr=0.05, eps=1e-10, weight_decay=0.1, lr_decay=0.02, initial_accumulator_value=0.3)),
        "sgd": run_torch(lambda p: o.SGD(p, lr=0.05, weight_decay=0.1)),
        "sgd_momentum": run_torch(lambda p: o.SGD(p, lr=0.05, momentum=0.9, dampening=0.3, weight_decay=0.1)),
        "sgd_nesterov": run_torch(lambda p: o.SGD(p, lr=0.05, momentum=0.9, nesterov=True, weight_decay=0.1)),
        "lion": run_formula(lion(0.01, (0.9, 0.99), 0.1)),
        "lamb": run_formula(lamb(0.01, (0.9, 0.95), 1e-6, 0.1)),
        "lamb_inside": run_formula(lamb(0.01, (0.9, 0.95), 1e-6, 0.0, 0.5, 0.9, inside=True)),
        "muon": run_formula(muon(source, 0.02, 0.9, 0.1, transpose=False)),
        "muon_tall": run_formula(muon(source, 0.02, 0.9, 0.0, transpose=True)),
    }


SCHEDULE_STEPS = 40
RATE = 0.01


def follow(make, betas):
    weight = torch.nn.Parameter(torch.zeros(1))
    if betas:
        optimizer = torch.optim.Adam([weight], lr=RATE, betas=(0.9, 0.999))
    else:
        optimizer = torch.optim.SGD([weight], lr=RATE)
    scheduler = make(optimizer)
    out = []
    for _ in range(SCHEDULE_STEPS):
        group = optimizer.param_groups[0]
        out.append([float(group["lr"]), *map(float, group.get("betas", ()))])
        optimizer.step()
        scheduler.step()
    return out


def schedules(source):
    t = torch.optim.lr_scheduler
    logger = types.SimpleNamespace(warning=lambda *a: None)
    utils = types.ModuleType("deepspeed.utils")
    utils.logger = logger
    path = pathlib.Path(source) / "deepspeed/runtime/lr_schedules.py"
    d = load(path, "lr_schedules", {"deepspeed.utils": utils})
    cases = {
        "LinearLR": [{}, {"start_factor": 0.5, "end_factor": 0.1, "total_iters": 17}],
        "ConstantLR": [{}, {"factor": 0.25, "total_iters": 9}],
        "StepLR": [{"step_size": 7}, {"step_size": 3, "gamma": 0.8}],
        "MultiStepLR": [{"milestones": [4, 11, 11, 30]}, {"milestones": [9, 2], "gamma": 0.5}],
        "ExponentialLR": [{"gamma": 0.93}],
        "PolynomialLR": [{}, {"total_iters": 25, "power": 2.5}],
        "CosineAnnealingLR": [{"T_max": 15}, {"T_max": 60, "eta_min": 0.001}],
        "CosineAnnealingWarmRestarts": [{"T_0": 7}, {"T_0": 3, "T_mult": 2, "eta_min": 0.002}],
        "LRRangeTest": [
            {"lr_range_test_min_lr": 0.002, "lr_range_test_step_size": 6, "lr_range_test_step_rate": 1.5},
            {"lr_range_test_min_lr": 0.002, "lr_range_test_step_size": 6, "lr_range_test_staircase": True},
        ],
        "OneCycle": [
            {"cycle_min_lr": 0.001, "cycle_max_lr": 0.01, "cycle_first_step_size": 8},
            {"cycle_min_lr": 0.001, "cycle_max_lr": 0.01, "cycle_first_step_size": 7, "cycle_second_step_size": 12,
             "cycle_first_stair_count": 3, "cycle_second_stair_count": 4, "decay_step_size": 5, "decay_lr_rate": 0.5,
             "cycle_min_mom": 0.7, "cycle_max_mom": 0.85, "decay_mom_rate": 0.01},
            {"cycle_min_lr": 0.001, "cycle_max_lr": 0.01, "cycle_first_step_size": 9, "cycle_second_step_size": 0,
             "cycle_momentum": False, "decay_step_size": 3, "decay_lr_rate": 0.2},
        ],
        "WarmupLR": [{"warmup_num_steps": 9}, {"warmup_min_lr": 0.001, "warmup_max_lr": 0.02, "warmup_num_steps": 5, "warmup_type": "linear"}],
        "WarmupDecayLR": [{"total_num_steps": 30, "warmup_num_steps": 6}],
        "WarmupCosineLR": [{"total_num_steps": 30, "warmup_num_steps": 6, "warmup_min_ratio": 0.1, "cos_min_ratio": 0.05}],
    }
    out = []
    for name, all_params in cases.items():
        make = getattr(d, name, None) or getattr(t, name)
        for params in all_params:
            rows = follow(lambda o: make(o, **params), name == "OneCycle")
            out.append({"type": name, "params": params, "values": rows})
    return out


def write(name, value):
    text = json.dumps(value, separators=(",", ":"))
    text = text.replace("]],", "]],\n").replace("]},", "]},\n")
    (HERE / name).write_text(text + "\n")


def rounded(value, digits=12):
    if isinstance(value, float):
        return float(f"{value:.{digits}g}")
    if isinstance(value, list):
        return [rounded(v, digits) for v in value]
    return value


source = sys.argv[1]
# The last step says whether all before were right; every fourth says where.
values = {k: v[3::4] for k, v in optimizers(source).items()}
write("values.json", {k: rounded(v, 10) for k, v in values.items()})
write("schedules.json", [{**s, "values": rounded(s["values"])} for s in schedules(source)])
