"""Goal: what autotp exports is the model that Transformers has: every family's
folder loads whole, and its loss is ours; a model whose files hold all experts
of a layer in one tensor is exported so.

Method: a coordinator and a worker train each family's tiny model of
tests/golden for three steps at TP 2; `autotp export` makes a folder of the
checkpoint after the second; Transformers' loss on the sequences of the third
step, on one device, has to be the one that the job reported. (Our side keeps
no logits: with a vocabulary cut over the ranks they exist nowhere whole.)
"""
import json
import os
import pathlib
import re
import shutil
import subprocess
import sys
import tempfile
import time

import numpy
import safetensors.torch
import torch
import transformers

SOURCE = pathlib.Path(os.environ["AUTOTP_SOURCE_DIR"])
PROGRAMS = pathlib.Path(os.environ["AUTOTP_BIN_DIR"])
MODELS = SOURCE / "tests/golden/models"
FAMILIES = [
    "bloom", "cohere", "cohere2", "deepseek_v3", "falcon", "falcon_new",
    "gemma", "gemma2", "gemma3", "glm", "glm4", "gpt2", "gpt_neox", "gptj",
    "granite", "llama", "mistral", "mixtral", "mixtral_fused", "olmo", "olmo2",
    "opt", "phi", "phi3", "qwen2", "qwen2_moe", "qwen3", "qwen3_moe", "smollm3",
    "stablelm", "starcoder2"]
STEPS = 3
MICRO = 2
TOLERANCE = 1e-5


def autotp(*arguments):
    return subprocess.run([PROGRAMS / "autotp", *map(str, arguments)],
                          check=True, capture_output=True, text=True).stdout


class Cluster:
    """One coordinator and one worker with two slots."""

    def __init__(self, folder):
        self.address = f"unix:{folder}/socket"
        self.log = open(folder / "programs.log", "w", encoding="utf-8")
        self.programs = [
            self.start("autotp-coordinator", "--state-dir", folder / "state",
                       "--listen", self.address)]
        while not (folder / "socket").exists():
            time.sleep(0.01)
        self.programs.insert(0, self.start(
            "autotp-worker", "--coordinator", self.address, "--slots", "2"))

    def start(self, name, *arguments):
        return subprocess.Popen([PROGRAMS / name, *map(str, arguments)],
                                stdout=self.log, stderr=self.log)

    def __enter__(self):
        return self

    def __exit__(self, *_):
        for program in self.programs:
            program.terminate()
            program.wait()

    def call(self, command, *arguments):
        return autotp(command, "--coordinator", self.address, *arguments)


def tensors_of(folder):
    tensors = {}
    for path in sorted(folder.glob("*.safetensors")):
        tensors.update(safetensors.torch.load_file(path))
    return tensors


def fuse_experts(source, target):
    """Mixtral's files as Transformers 5 keeps them in memory."""
    fused, experts = {}, {}
    for name, tensor in tensors_of(source).items():
        found = re.match(r"(.*)\.block_sparse_moe\.experts\.(\d+)\.(w\d)", name)
        if found:
            layer = experts.setdefault(found[1], {})
            layer.setdefault(int(found[2]), {})[found[3]] = tensor
        else:
            fused[name.replace("block_sparse_moe", "mlp")] = tensor
    for layer, by_number in experts.items():
        of_layer = [by_number[i] for i in range(len(by_number))]
        fused[f"{layer}.mlp.experts.gate_up_proj"] = torch.stack(
            [torch.cat([expert["w1"], expert["w3"]]) for expert in of_layer])
        fused[f"{layer}.mlp.experts.down_proj"] = torch.stack(
            [expert["w2"] for expert in of_layer])
    target.mkdir()
    safetensors.torch.save_file(fused, target / "model.safetensors")
    shutil.copy(source / "config.json", target)


def submit(cluster, folder, family):
    case = MODELS / family.removesuffix("_fused")
    model = case / "model"
    if family.endswith("_fused"):
        model = folder / f"{family}-model"
        fuse_experts(case / "model", model)
    trace = json.loads((case / "trace.json").read_text())
    config = json.loads((case / "ds_config.json").read_text())
    config["train_micro_batch_size_per_gpu"] = MICRO
    config["tensor_parallel"] = {"autotp_size": 2}
    path = folder / f"{family}.json"
    path.write_text(json.dumps(config))
    cluster.call("submit", "--model", model, "--config", path,
                 "--data", MODELS / "data" / trace["data"], "--no-shuffle",
                 "--slots", 2, "--sequence-length", trace["seq_len"],
                 "--max-steps", STEPS, "--checkpoint-every", STEPS - 1,
                 "--output-dir", folder / family,
                 "--job-id", family.replace("_", "-"))
    return trace, config["train_batch_size"], set(tensors_of(model))


def loss_of(model, trace, batch):
    """Of the last step's micro-batches, as the trainer has it."""
    tokens = torch.tensor(numpy.fromfile(
        MODELS / "data" / trace["data"], dtype="<u2").astype("int64"))
    sequences = tokens.reshape(-1, trace["seq_len"])
    losses = []
    with torch.no_grad():
        for first in range((STEPS - 1) * batch, STEPS * batch, MICRO):
            rows = sequences[first:first + MICRO]
            logits = model(input_ids=rows, use_cache=False).logits.float()
            losses.append(torch.nn.functional.cross_entropy(
                logits[:, :-1].reshape(-1, logits.shape[-1]),
                rows[:, 1:].reshape(-1)).item())
    return sum(losses) / len(losses)


def check(cluster, folder, family, trace, batch, names):
    """Prints a line; whether the exported folder is ours."""
    job = family.replace("_", "-")
    cluster.call("watch", job)
    last = json.loads(cluster.call(
        "metrics", "--output", "json", job).splitlines()[-1])
    exported = folder / "exported" / family
    cluster.call("export", f"jobs/{job}/checkpoints/{STEPS - 1}",
                 "--output", exported, "--dtype", "fp32")
    model, loading = transformers.AutoModelForCausalLM.from_pretrained(
        exported, dtype=torch.float32, attn_implementation="eager",
        output_loading_info=True)
    lost = [key for kind in loading.values() for key in kind]
    # A tied head, which some files have twice, is stored once.
    lost += (names ^ set(tensors_of(exported))) - {"lm_head.weight"}
    loss = loss_of(model.eval(), trace, batch)
    difference = abs(loss - last["loss"]) / last["loss"]
    right = difference <= TOLERANCE and not lost
    print(f"{family:12} loss {last['loss']:.6f}, Transformers' differs by "
          f"{difference:.1e}{'' if right else '  WRONG'}"
          f"{f'  lost, or new: {lost}' if lost else ''}", flush=True)
    return right


def main():
    transformers.utils.logging.disable_progress_bar()
    torch.set_num_threads(1)
    families = sys.argv[1:] or FAMILIES
    with tempfile.TemporaryDirectory() as name:
        folder = pathlib.Path(name)
        with Cluster(folder) as cluster:
            facts = {family: submit(cluster, folder, family)
                     for family in families}
            wrong = [family for family in families
                     if not check(cluster, folder, family, *facts[family])]
    if wrong:
        sys.exit(f"not as Transformers has them: {', '.join(wrong)}")


if __name__ == "__main__":
    try:
        main()
    except subprocess.CalledProcessError as error:
        sys.exit(f"{error}\n{error.stdout}{error.stderr}")
