"""Writes blocks.json: what DeepSpeed's name-based parser makes of the blocks
of some families, and the blocks themselves.

Needs torch, transformers and deepspeed;
tests/unit/coordinator/plan/deepspeed_parser_test.cc reads the answers.
"""

import json
import pathlib

import torch
import transformers
from deepspeed.module_inject import auto_tp, fusedqkv_utils
from torch import nn
from transformers.pytorch_utils import Conv1D

HERE = pathlib.Path(__file__).parent
MODELS = HERE.parent / "models"
FAMILIES = [
    "llama", "mistral", "qwen2", "opt", "bloom", "gpt_neox", "gptj", "phi",
    "gpt2", "falcon", "phi3", "olmo2",
]


# The library holds mixtral's experts in one tensor; checkpoints, and earlier
# releases, have them one by one.
class MixtralBlockSparseTop2MLP(nn.Module):

    def __init__(self):
        super().__init__()
        self.w1 = nn.Linear(4, 8, bias=False)
        self.w2 = nn.Linear(8, 4, bias=False)
        self.w3 = nn.Linear(4, 8, bias=False)


class MixtralSparseMoeBlock(nn.Module):

    def __init__(self):
        super().__init__()
        self.gate = nn.Linear(4, 2, bias=False)
        self.experts = nn.ModuleList(
            [MixtralBlockSparseTop2MLP() for _ in range(2)])


def mixtral():
    model = causal("mixtral")
    for layer in model.model.layers:
        del layer.mlp
        layer.block_sparse_moe = MixtralSparseMoeBlock()
        norms = [layer.input_layernorm, layer.post_attention_layernorm]
        del layer.input_layernorm, layer.post_attention_layernorm
        layer.input_layernorm, layer.post_attention_layernorm = norms
    return model


def causal(family):
    config = transformers.AutoConfig.from_pretrained(MODELS / family / "model")
    return transformers.AutoModelForCausalLM.from_config(config)


def bert():
    return transformers.BertForMaskedLM(
        transformers.BertConfig(vocab_size=32, hidden_size=16,
                                num_hidden_layers=2, num_attention_heads=4,
                                intermediate_size=24))


def kind(module):
    if isinstance(module, nn.Linear):
        return "linear"
    if isinstance(module, Conv1D):
        return "conv1d"
    return "layer_norm" if isinstance(module, nn.LayerNorm) else "module"


def tree(module):
    return [{"key": key, "type": type(child).__name__, "kind": kind(child),
             "children": tree(child)} for key, child in module.named_children()]


class Mark(nn.Module):

    def __init__(self, how):
        super().__init__()
        self.how = how


def decisions(block, gems):
    """Lets the parser replace the block's linears by marks."""
    block_type = type(block).__name__

    def fused(*_, **__):
        layout = fusedqkv_utils.get_fused_qkv_type(block)
        return Mark(f"column, fused as {layout}")

    auto_tp.LinearAllreduce = lambda *_, **__: Mark("row")
    auto_tp.LinearLayer = lambda *_, **__: Mark("column")
    auto_tp.GateUpPack_LinearLayer = lambda *_, **__: Mark("column, halves")
    auto_tp.fused_LinearLayer = fused
    parser = auto_tp.AutoTP(block, gems, "", None, None, type(block))
    parser.mp_size = 2
    parser.update_mp_params = lambda *_: None
    parser.update_linear_policies()
    before = {name: child for name, child in block.named_modules()
              if kind(child) in ("linear", "conv1d")}
    parser._replace_module(block)
    after = dict(block.named_modules())
    return {name: getattr(after[name], "how", "whole") for name in before}


def entry(family, model):
    head = str(model)[:400]
    blocks = auto_tp.AutoTP.get_module_list(model)
    block = blocks[0]
    told = {"family": family, "head": head, "type": str(type(block)),
            "block": tree(block)}
    try:
        policy = dict(auto_tp.AutoTP.tp_parser(model))
        told["decisions"] = decisions(block, list(policy[type(block)]))
    except AssertionError as error:
        told["refused"] = str(error)
    return told


def main():
    entries = [entry(family, causal(family)) for family in FAMILIES]
    entries += [entry("mixtral", mixtral()), entry("bert", bert())]
    lines = ",\n".join(json.dumps(one) for one in entries)
    (HERE / "blocks.json").write_text(f"[\n{lines}\n]\n")


if __name__ == "__main__":
    main()
