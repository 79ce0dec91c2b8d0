"""Imports models of Transformers and modules of one's own, and compares one
step of each program file, in PyTorch, with the module's own.

    tests/numerics/importer_test.sh [TEST...]
"""
import contextlib
import io
import os
import tempfile
import unittest

import transformers

from autotp import import_model
from autotp.importing import merged
from autotp.importing.stored_names import stored_names
from safetensors.torch import load_file, save_file

TINY = {"vocab_size": 64, "hidden_size": 32, "num_hidden_layers": 2,
        "num_attention_heads": 4, "intermediate_size": 48,
        "max_position_embeddings": 64}


def run(*arguments):
    """Of autotp-import: the exit code, and what it says."""
    said = io.StringIO()
    with contextlib.redirect_stderr(said):
        code = import_model.main([*arguments, "--check"])
    return code, said.getvalue()


class Models(unittest.TestCase):
    def check(self, config, architecture):
        with tempfile.TemporaryDirectory() as folder:
            config.architectures = [architecture]
            config.save_pretrained(folder)
            code, said = run("--model", folder, "--sequence-length", "24")
        self.assertEqual(code, 0, said)
        self.assertIn("largest difference from PyTorch", said)

    def test_llama(self):
        self.check(transformers.LlamaConfig(**TINY, num_key_value_heads=2),
                   "LlamaForCausalLM")

    def test_gpt_neo_whose_mask_is_a_number(self):
        self.check(transformers.GPTNeoConfig(
            vocab_size=64, hidden_size=32, num_layers=2, num_heads=4,
            attention_types=[[["global", "local"], 1]], window_size=8,
            max_position_embeddings=64, bos_token_id=0, eos_token_id=0,
            resid_dropout=0, embed_dropout=0, attention_dropout=0),
            "GPTNeoForCausalLM")

    def test_bloom_with_six_slopes(self):
        self.check(transformers.BloomConfig(
            vocab_size=64, hidden_size=48, n_layer=2, n_head=6,
            hidden_dropout=0, attention_dropout=0), "BloomForCausalLM")

    def test_falcon_whose_slopes_are_rounded(self):
        self.check(transformers.FalconConfig(
            **TINY, alibi=True, bias=True, multi_query=False,
            parallel_attn=False, hidden_dropout=0, attention_dropout=0),
            "FalconForCausalLM")

    def test_frequencies_that_depend_on_the_length(self):
        small = dict(TINY, max_position_embeddings=16)
        self.check(transformers.LlamaConfig(
            **small, num_key_value_heads=2, rope_parameters={
                "rope_type": "dynamic", "rope_theta": 1e4, "factor": 2.0}),
            "LlamaForCausalLM")

    def test_an_encoder_and_decoder_with_dropout(self):
        self.check(transformers.T5Config(
            vocab_size=64, d_model=32, d_kv=8, d_ff=48, num_layers=1,
            num_heads=4, decoder_start_token_id=0),
            "T5ForConditionalGeneration")

    def test_pixels(self):
        self.check(transformers.ViTConfig(
            hidden_size=32, num_hidden_layers=1, num_attention_heads=4,
            intermediate_size=48, image_size=8, patch_size=4, num_labels=5),
            "ViTForImageClassification")

    def test_complex_rotary_embeddings(self):
        self.check(transformers.DeepseekV2Config(
            **TINY, kv_lora_rank=16, q_lora_rank=24, qk_rope_head_dim=8,
            qk_nope_head_dim=8, v_head_dim=8, head_dim=8, n_routed_experts=4,
            num_experts_per_tok=2, n_shared_experts=1, n_group=1, topk_group=1,
            moe_intermediate_size=16, first_k_dense_replace=1,
            topk_method="greedy"), "DeepseekV2ForCausalLM")


    def test_mixtral_with_experts(self):
        self.check(transformers.MixtralConfig(
            **TINY, num_key_value_heads=2, num_local_experts=3),
            "MixtralForCausalLM")


    def test_mixtral_with_a_gate_of_another_form(self):
        self.check(transformers.MixtralConfig(
            **TINY, num_key_value_heads=2, num_local_experts=3,
            hidden_act="quick_gelu"), "MixtralForCausalLM")


    def test_a_class_that_refuses_its_config(self):
        with tempfile.TemporaryDirectory() as folder:
            transformers.SqueezeBertConfig(
                **TINY, embedding_size=16,
                architectures=["SqueezeBertForMaskedLM"]).save_pretrained(folder)
            code, said = run("--model", folder)
        self.assertEqual(code, 2, said)
        self.assertIn("SqueezeBertForMaskedLM cannot be made", said)


class StoredParts(unittest.TestCase):
    def check(self, model):
        """Parts have the names and numbers that Transformers saves."""
        state, made = dict(model.named_parameters()), {}
        parts = merged.parts_of(model)
        self.assertEqual(len(parts), 2 * TINY["num_hidden_layers"])
        for name, runs in parts.items():
            made.update(merged.apart(runs, state[name]))
        with tempfile.TemporaryDirectory() as folder:
            model.save_pretrained(folder)
            saved = load_file(os.path.join(folder, "model.safetensors"))
        for name, tensor in made.items():
            self.assertTrue(tensor.equal(saved[name]), name)
        return made

    def test_of_mixtral(self):
        made = self.check(transformers.MixtralForCausalLM(
            transformers.MixtralConfig(**TINY, num_local_experts=3)))
        self.assertIn("model.layers.1.block_sparse_moe.experts.2.w3.weight",
                      made)

    def test_of_qwen2_moe(self):
        made = self.check(transformers.Qwen2MoeForCausalLM(
            transformers.Qwen2MoeConfig(**TINY, num_experts=3,
                                        moe_intermediate_size=16,
                                        shared_expert_intermediate_size=16)))
        self.assertIn("model.layers.0.mlp.experts.1.up_proj.weight", made)


class StoredNames(unittest.TestCase):
    def check(self, model, changes):
        """`changes` of the names that Transformers writes are in the files."""
        with tempfile.TemporaryDirectory() as folder:
            saved = stored_names(model, folder)
            model.save_pretrained(folder)
            path = os.path.join(folder, "model.safetensors")
            tensors = load_file(path)
            self.assertLessEqual(set(saved.values()), set(tensors))
            self.assertEqual(stored_names(model, folder), saved)
            for old, new in changes.items():
                tensors = {k.replace(old, new): v for k, v in tensors.items()}
            save_file(tensors, path)
            return saved, stored_names(model, folder)

    def test_a_renamed_head(self):
        saved, found = self.check(
            transformers.GPTNeoXForCausalLM(
                transformers.GPTNeoXConfig(**TINY)), {"embed_out": "lm_head"})
        self.assertEqual(saved, {"lm_head.weight": "embed_out.weight"})
        self.assertEqual(found, {})

    def test_old_names_of_norms_and_no_prefix(self):
        saved, found = self.check(
            transformers.BertForMaskedLM(transformers.BertConfig(**TINY)),
            {"LayerNorm.weight": "LayerNorm.gamma", "bert.": ""})
        self.assertEqual(saved, {})
        self.assertEqual(found.pop("cls.predictions.transform.LayerNorm.weight"),
                         "cls.predictions.transform.LayerNorm.gamma")
        self.assertEqual(len(found), 1 + 2 * TINY["num_hidden_layers"])
        self.assertEqual(found["bert.embeddings.LayerNorm.weight"],
                         "bert.embeddings.LayerNorm.gamma")


class Modules(unittest.TestCase):
    def run_module(self, name, *arguments):
        with tempfile.TemporaryDirectory() as folder:
            return run("--module", f"importer_modules:{name}", "--output",
                       os.path.join(folder, "out"), *arguments)

    def test_numbers_of_the_forward_are_kept(self):
        code, said = self.run_module("numbers")
        self.assertEqual(code, 0, said)

    def test_what_is_exported_in_parts(self):
        for name in ("masks", "complex_numbers", "square", "frozen_statistics"):
            code, said = self.run_module(name)
            self.assertEqual(code, 0, said)
            self.assertIn("for any micro-batch", said)

    def test_the_loss_by_name(self):
        for loss in ("loss", "1"):
            code, said = self.run_module("regions", "--loss", loss)
            self.assertEqual(code, 0, said)
        code, said = self.run_module("regions", "--loss", "los")
        self.assertEqual(code, 2)
        self.assertIn("the outputs are count, loss", said)

    def test_other_lengths_than_the_examples(self):
        code, said = self.run_module("lengths")
        self.assertEqual(code, 0, said)
        self.assertIn("for any micro-batch, 11 to 14 tokens", said)

    def test_what_has_no_program_is_refused_with_its_line(self):
        for name, what, line in (
                ("noise", "aten.randn_like.default draws random numbers",
                 "y + torch.randn_like(y)"),
                ("straight", "Straight has a backward that is not the gradient",
                 "self.function.apply("),
                ("statistics", "norm.running_mean", "eval()")):
            code, said = self.run_module(name)
            self.assertEqual(code, 2, said)
            self.assertIn(what, said)
            self.assertIn(line, said)

    def test_a_branch_on_data_is_refused_with_its_line(self):
        code, said = self.run_module("branch")
        self.assertEqual(code, 2)
        self.assertIn("torch.export cannot export Branch", said)
        self.assertIn("importer_modules.py", said)
        self.assertIn("if y.sum() > 0:", said)


if __name__ == "__main__":
    unittest.main(verbosity=2)
