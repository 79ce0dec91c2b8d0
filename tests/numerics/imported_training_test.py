"""Trains imported models and modules at TP 2, and compares with PyTorch: a few
steps of AdamW with clipping, from the same weights, on the same data.

    tests/numerics/imported_training_test.sh [TEST...]
"""
import contextlib
import io
import json
import os
import subprocess
import tempfile
import unittest

import torch
import transformers

import importer_modules
from autotp import import_model
from safetensors.torch import save_file

transformers.utils.logging.disable_progress_bar()

VOCABULARY, TOKENS, BATCH, STEPS = 96, 24, 4, 4
SIZES = {"vocab_size": VOCABULARY, "max_position_embeddings": 64}
BERT = {**SIZES, "hidden_size": 48, "num_hidden_layers": 2,
        "num_attention_heads": 6, "intermediate_size": 64,
        "hidden_dropout_prob": 0.0, "attention_probs_dropout_prob": 0.0}
SPECIAL = {"pad_token_id": 0, "bos_token_id": 0, "eos_token_id": 0}
RATE, DECAY, TOLERANCE = 1e-3, 0.01, 1e-5


def sequences(masked):
    """Columns of rows; the last tokens of some are hidden from attention."""
    numbers = torch.Generator().manual_seed(1)
    ids = torch.randint(1, VOCABULARY, (BATCH * STEPS, TOKENS),
                        generator=numbers)
    columns = {"input_ids": ids, "labels": ids.clone()}
    if masked:
        hidden = torch.arange(BATCH * STEPS)[:, None] % 3
        columns["attention_mask"] = (
            torch.arange(TOKENS) < TOKENS - hidden).long()
    return columns


def reference(model, columns):
    """Losses and gradient norms of the steps in PyTorch."""
    optimizer = torch.optim.AdamW(model.parameters(), lr=RATE,
                                  weight_decay=DECAY)
    seen = []
    for step in range(STEPS):
        rows = slice(step * BATCH, (step + 1) * BATCH)
        loss = model(**{name: column[rows]
                        for name, column in columns.items()})
        loss = getattr(loss, "loss", loss)
        loss.backward()
        norm = torch.nn.utils.clip_grad_norm_(model.parameters(), 1.0)
        optimizer.step()
        optimizer.zero_grad()
        seen.append((loss.item(), norm.item()))
    return seen


class ImportedTraining(unittest.TestCase):
    def check(self, config, architecture, columns=None):
        """A class of Transformers; columns are sequences, if they aren't
        given."""
        if columns is None:
            columns = sequences(not architecture.endswith("ForCausalLM"))
        with tempfile.TemporaryDirectory() as home:
            torch.manual_seed(0)
            folder = os.path.join(home, "model")
            model = getattr(transformers, architecture)(config).train()
            model.save_pretrained(folder)
            self.compare(home, folder, model, columns, "--model", folder,
                         "--sequence-length", str(TOKENS))

    def check_module(self, name, columns, rules):
        with tempfile.TemporaryDirectory() as home:
            folder = os.path.join(home, "model")
            torch.manual_seed(0)
            model = getattr(importer_modules, name)()[0].train()
            self.compare(home, folder, model, columns, "--module",
                         f"importer_modules:{name}", "--output", folder,
                         rules=rules)

    def compare(self, home, folder, model, columns, *arguments, rules=None):
        with contextlib.redirect_stderr(io.StringIO()) as said:
            code = import_model.main([*arguments])
        self.assertEqual(code, 0, said.getvalue())
        data = os.path.join(home, "data.safetensors")
        save_file(columns, data)
        got = self.train(home, folder, data, rules)
        want = reference(model, columns)
        for step, (loss, norm) in enumerate(want):
            for name, value in (("loss", loss), ("grad_norm", norm)):
                self.assertLess(abs(got[step][name] - value),
                                TOLERANCE * value, f"{name}, step {step + 1}")

    def train(self, home, folder, data, rules):
        config = {"train_batch_size": BATCH,
                  "train_micro_batch_size_per_gpu": BATCH // 2,
                  "optimizer": {"type": "AdamW", "params": {
                      "lr": RATE, "weight_decay": DECAY}},
                  "gradient_clipping": 1.0,
                  "zero_optimization": {"stage": 2},
                  "tensor_parallel": {"autotp_size": 2}}
        if rules:
            config["tensor_parallel"]["partition_config"] = {
                "use_default_specs": False, "layer_specs": [
                    {"patterns": [pattern], "partition_type": kind, **more}
                    for pattern, kind, more in rules]}
        metrics = os.path.join(home, "metrics.jsonl")
        done = subprocess.run(
            [os.path.join(os.environ["AUTOTP_BIN_DIR"], "autotp"), "train",
             "--model", folder, "--data", data, "--config", json.dumps(config),
             "--slots", "2", "--sequence-length", str(TOKENS), "--max-steps",
             str(STEPS), "--no-shuffle", "--metrics", metrics, "--output",
             os.path.join(home, "out")],
            capture_output=True, text=True, timeout=120, check=False)
        self.assertEqual(done.returncode, 0, done.stderr)
        with open(metrics, encoding="utf-8") as file:
            return [json.loads(line) for line in file]

    def test_bert(self):
        self.check(transformers.BertConfig(**BERT), "BertForMaskedLM")

    def test_roberta(self):
        self.check(transformers.RobertaConfig(**BERT, **SPECIAL),
                   "RobertaForMaskedLM")

    def test_modernbert_with_windows_on_both_sides(self):
        self.check(transformers.ModernBertConfig(
            **SIZES, **SPECIAL, hidden_size=48, num_hidden_layers=3,
            num_attention_heads=6, intermediate_size=64, local_attention=8,
            global_attn_every_n_layers=3, cls_token_id=0, sep_token_id=0),
            "ModernBertForMaskedLM")

    def test_gpt_neo_with_windows(self):
        self.check(transformers.GPTNeoConfig(
            **SIZES, hidden_size=48, num_layers=2, num_heads=6, window_size=8,
            attention_types=[[["global", "local"], 1]], embed_dropout=0,
            attention_dropout=0, resid_dropout=0, bos_token_id=0,
            eos_token_id=0), "GPTNeoForCausalLM")

    def test_t5_with_encoder_and_decoder(self):
        self.check(transformers.T5Config(
            vocab_size=VOCABULARY, d_model=48, d_kv=8, d_ff=64, num_layers=2,
            num_heads=6, dropout_rate=0.0, pad_token_id=0, eos_token_id=1,
            decoder_start_token_id=0), "T5ForConditionalGeneration")

    def test_bart_with_encoder_and_decoder(self):
        self.check(transformers.BartConfig(
            **SIZES, d_model=48, encoder_layers=2, decoder_layers=2,
            encoder_attention_heads=6, decoder_attention_heads=6,
            encoder_ffn_dim=64, decoder_ffn_dim=64, dropout=0.0, pad_token_id=1,
            bos_token_id=0, eos_token_id=2, decoder_start_token_id=2,
            forced_eos_token_id=None), "BartForConditionalGeneration")

    def test_classes_of_sequences(self):
        columns = sequences(True)
        columns["labels"] = torch.arange(BATCH * STEPS) % 3
        self.check(transformers.BertConfig(**BERT, num_labels=3),
                   "BertForSequenceClassification", columns)

    def test_classes_of_images(self):
        numbers = torch.Generator().manual_seed(1)
        self.check(transformers.ViTConfig(
            hidden_size=48, num_hidden_layers=2, num_attention_heads=6,
            intermediate_size=64, image_size=8, patch_size=4, num_labels=5,
            hidden_dropout_prob=0.0, attention_probs_dropout_prob=0.0),
            "ViTForImageClassification", {
                "pixel_values": torch.rand((BATCH * STEPS, 3, 8, 8),
                                           generator=numbers),
                "labels": torch.arange(BATCH * STEPS) % 5})

    def test_the_modules_that_deepspeed_tests_with(self):
        numbers = torch.Generator().manual_seed(1)
        self.check_module("toys", {
            "x": torch.randn((BATCH * STEPS, 16), generator=numbers),
            "target": torch.arange(BATCH * STEPS) % 21}, [
                (r".*linears\.0\.weight$", "row", {}),
                (r".*linears\.1\.weight$", "column", {}),
                (r".*linears\.2\.weight$", "skip", {}),
                (r".*layers\.\d+\.q_proj\.weight$", "column", {}),
                (r".*layers\.\d+\.o_proj\.weight$", "row", {}),
                (r".*qkv\.weight$", "column",
                 {"shape": [[16, 16, 16], -1], "partition_dim": 0}),
                (r".*custom\.weight$", "column", {}),
                (r".*lm_head\.weight$", "column", {})])

    def test_joins_by_any_name(self):
        numbers = torch.Generator().manual_seed(1)
        self.check_module("joins", {
            name: torch.randn((BATCH * STEPS, 16), generator=numbers)
            for name in ("x", "target")}, [
                (r".*parts\.\d\.weight$", "column", {}),
                (r".*down\.weight$", "row", {})])


if __name__ == "__main__":
    unittest.main(verbosity=2)
