"""Trains imported models at TP 2, and compares with Transformers: a few steps
of AdamW with clipping, from the same weights, on the same sequences.

    tests/numerics/imported_training_test.sh [TEST...]
"""
import contextlib
import io
import json
import os
import random
import subprocess
import tempfile
import unittest

import torch
import transformers

from autotp import import_model

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
    numbers = random.Random(1)
    ids = [[numbers.randrange(1, VOCABULARY) for _ in range(TOKENS)]
           for _ in range(BATCH * STEPS)]
    columns = {"input_ids": ids, "labels": ids}
    if masked:
        columns["attention_mask"] = [
            [int(t < TOKENS - row % 3) for t in range(TOKENS)]
            for row in range(len(ids))]
    return columns


def reference(model, columns):
    """Losses and gradient norms of the steps in PyTorch."""
    optimizer = torch.optim.AdamW(model.parameters(), lr=RATE,
                                  weight_decay=DECAY)
    seen = []
    for step in range(STEPS):
        rows = slice(step * BATCH, (step + 1) * BATCH)
        loss = model(**{name: torch.tensor(column[rows])
                        for name, column in columns.items()}).loss
        loss.backward()
        norm = torch.nn.utils.clip_grad_norm_(model.parameters(), 1.0)
        optimizer.step()
        optimizer.zero_grad()
        seen.append((loss.item(), norm.item()))
    return seen


class ImportedTraining(unittest.TestCase):
    def check(self, config, architecture):
        with tempfile.TemporaryDirectory() as home:
            torch.manual_seed(0)
            folder = os.path.join(home, "model")
            model = getattr(transformers, architecture)(config).train()
            model.save_pretrained(folder)
            with contextlib.redirect_stderr(io.StringIO()) as said:
                code = import_model.main(["--model", folder,
                                          "--sequence-length", str(TOKENS)])
            self.assertEqual(code, 0, said.getvalue())
            columns = sequences(not architecture.endswith("ForCausalLM"))
            data = os.path.join(home, "data.jsonl")
            with open(data, "w", encoding="utf-8") as file:
                for row in range(BATCH * STEPS):
                    file.write(json.dumps({name: column[row] for name, column
                                           in columns.items()}) + "\n")
            got = self.train(home, folder, data)
            want = reference(model, columns)
        for step, (loss, norm) in enumerate(want):
            for name, value in (("loss", loss), ("grad_norm", norm)):
                self.assertLess(abs(got[step][name] - value),
                                TOLERANCE * value, f"{name}, step {step + 1}")

    def train(self, home, folder, data):
        config = {"train_batch_size": BATCH,
                  "train_micro_batch_size_per_gpu": BATCH // 2,
                  "optimizer": {"type": "AdamW", "params": {
                      "lr": RATE, "weight_decay": DECAY}},
                  "gradient_clipping": 1.0,
                  "zero_optimization": {"stage": 2},
                  "tensor_parallel": {"autotp_size": 2}}
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


if __name__ == "__main__":
    unittest.main(verbosity=2)
