"""Makes these folders: the examples' program files, weights and data, and the
losses of eight steps in PyTorch; gpt2 of one layer with dropout, whose
attention is one operation and written out; gpt_oss of one layer; and the
program files of tests/golden/models.

    PYTHONPATH=client/python:deploy/examples python tests/golden/imported/make.py
    ... make.py bloom gemma3    # only these models' program files
"""
import json
import os
import shutil
import subprocess
import sys
import tempfile

import torch

import data
import models

HERE = os.path.dirname(os.path.abspath(__file__))
EXAMPLES = os.path.join(HERE, "../../../deploy/examples")
ENDINGS = {"linear_stack": "safetensors", "classifier": "jsonl",
           "masked_language_model": "jsonl", "image_classifier": "safetensors"}
STEPS = 8
CLIPPING = 1.0  # DeepSpeed's default
MODELS = os.path.join(HERE, "../models")
LENGTH = 64
# Frequencies that depend on the length: that of the traces.
OTHER_LENGTHS = {"llama_dynamic": 32, "phi3_long": 32}


def config_of(name):
    with open(os.path.join(EXAMPLES, name + ".json"), encoding="utf-8") as file:
        lines = [line for line in file if not line.strip().startswith("//")]
    return json.loads("".join(lines))


def losses_of(name):
    """As DeepSpeed would: mean of micro-batches, rows in the file's order."""
    config = config_of(name)
    batch = config["train_batch_size"]
    micro = config["train_micro_batch_size_per_gpu"]
    torch.manual_seed(0)  # as the import makes its weights
    module, _ = getattr(models, name)()
    torch.manual_seed(0)  # as the data are made
    columns = getattr(data, name)()
    params = config["optimizer"]["params"]
    optimizer = torch.optim.AdamW(module.parameters(), lr=params["lr"],
                                  weight_decay=params.get("weight_decay", 0.0))
    losses = []
    for step in range(STEPS):
        optimizer.zero_grad()
        total = 0.0
        for part in range(batch // micro):
            rows = (torch.arange(micro) + step * batch + part * micro) % data.ROWS
            loss = module(**{k: v[rows] for k, v in columns.items()})
            loss = loss * micro / batch
            loss.backward()
            total += float(loss.detach())
        torch.nn.utils.clip_grad_norm_(module.parameters(), CLIPPING)
        optimizer.step()
        losses.append(total)
    return losses


def import_model(*arguments):
    subprocess.run([sys.executable, "-m", "autotp.import_model", *arguments],
                   check=True)


def program_of(name):
    """Of config.json alone: names are those that Transformers would write."""
    with tempfile.TemporaryDirectory() as folder:
        shutil.copy(os.path.join(MODELS, name, "model/config.json"), folder)
        import_model("--model", folder, "--sequence-length",
                     str(OTHER_LENGTHS.get(name, LENGTH)))
        shutil.copyfile(os.path.join(folder, "autotp_program.json"),
                        os.path.join(HERE, name + ".json"))


def with_dropout():
    with open(os.path.join(MODELS, "gpt2/model/config.json"),
              encoding="utf-8") as file:
        config = json.load(file)
    config.update(n_layer=1, attn_pdrop=0.1, resid_pdrop=0.2, embd_pdrop=0.3)
    for attention in ("sdpa", "eager"):
        config["attn_implementation"] = attention
        with tempfile.TemporaryDirectory() as folder:
            with open(os.path.join(folder, "config.json"), "w",
                      encoding="utf-8") as file:
                json.dump(config, file)
            import_model("--model", folder, "--sequence-length", "64")
            shutil.copy(os.path.join(folder, "autotp_program.json"),
                        os.path.join(HERE, "dropout", attention + ".json"))


# Experts of another form: biased, transposed, their halves interleaved.
GPT_OSS = {"architectures": ["GptOssForCausalLM"], "model_type": "gpt_oss",
           "vocab_size": 64, "hidden_size": 24, "num_attention_heads": 4,
           "num_key_value_heads": 2, "head_dim": 6, "num_hidden_layers": 1,
           "intermediate_size": 16, "num_local_experts": 3,
           "num_experts_per_tok": 2, "max_position_embeddings": 64,
           "layer_types": ["full_attention"], "attention_bias": True,
           "pad_token_id": 0, "bos_token_id": 1, "eos_token_id": 2}


def gpt_oss():
    folder = os.path.join(HERE, "gpt_oss")
    os.makedirs(folder, exist_ok=True)
    with open(os.path.join(folder, "config.json"), "w",
              encoding="utf-8") as file:
        json.dump(GPT_OSS, file, indent=1)
        file.write("\n")
    import_model("--model", folder, "--sequence-length", str(LENGTH))


def main(names):
    kept = [file[:-5] for file in sorted(os.listdir(HERE))
            if file.endswith(".json")]
    for name in names or kept:
        if os.path.isdir(os.path.join(MODELS, name)):
            program_of(name)
    if names:
        return
    os.makedirs(os.path.join(HERE, "dropout"), exist_ok=True)
    with_dropout()
    gpt_oss()
    for name, ending in ENDINGS.items():
        folder = os.path.join(HERE, name)
        import_model("--module", f"models:{name}", "--output", folder)
        subprocess.run([sys.executable, os.path.join(EXAMPLES, "data.py"), name,
                        os.path.join(folder, f"data.{ending}")], check=True)
        with open(os.path.join(folder, "losses.json"), "w",
                  encoding="utf-8") as file:
            json.dump(losses_of(name), file, indent=1)
            file.write("\n")


if __name__ == "__main__":
    main(sys.argv[1:])
