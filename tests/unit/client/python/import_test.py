# Goal: autotp-import writes one program for many sizes only where the model is
# one, and answers wrong commands in words.
# Method: the program files of tests/golden/imported, taken apart into sizes
# and put together again; no package is needed.
import contextlib
import io
import json
import os
import sys
import unittest

ROOT = os.path.join(os.path.dirname(__file__), "..", "..", "..", "..")
sys.path.insert(0, os.path.join(ROOT, "client", "python"))

from autotp import import_model  # noqa: E402
from autotp.importing import flexible  # noqa: E402
from autotp.importing.errors import ImportFailure  # noqa: E402
from autotp.importing.factory import factory  # noqa: E402


def golden(name):
    path = os.path.join(ROOT, "tests", "golden", "imported", name + ".json")
    with open(path, encoding="utf-8") as file:
        return json.load(file)


def program(shape, attribute=1):
    return {"inputs": [0], "loss": 1, "parameters": [],
            "values": [["x", shape, "float"], ["y", [], "float"]],
            "nodes": [{"op": "aten.f.default", "in": [0], "out": [1],
                       "scope": "", "attrs": {"n": attribute,
                                              "tensors": [1]}}]}


class FlexibleTest(unittest.TestCase):
    def test_a_file_is_what_its_sizes_make(self):
        for name in ("llama", "gpt2"):
            whole = golden(name)
            one = flexible.resolve(whole, 2, 32)
            other = flexible.resolve(whole, 3, 21)
            self.assertNotEqual(one["values"], other["values"])
            merged = flexible.merge(one, other, (2, 32), (3, 21))
            for key in merged:
                self.assertEqual(merged[key], whole[key], key)

    def test_sizes_are_products_or_near(self):
        merged = flexible.merge(program([2, 16, 64, 17, 32]),
                                program([3, 11, 64, 12, 33]), (2, 16), (3, 11))
        self.assertEqual(merged["values"][0][1],
                         [{"B": 1}, {"T": 1}, 64, {"T": 1, "1": 1},
                          {"BT": 1}])
        self.assertEqual(flexible.resolve(merged, 5, 7)["values"][0][1],
                         [5, 7, 64, 8, 35])

    def test_shorter_sequences_need_the_beginning_of_a_constant(self):
        def with_constant(batch, tokens):
            made = program([batch, tokens])
            made["values"].append(["table", [tokens, tokens, 4], "float32"])
            made["parameters"] = [{"name": "table", "value": 2,
                                   "shape": [tokens, tokens, 4],
                                   "frozen": True, "stored": True}]
            made["nodes"][0]["in"] = [0, 2]
            return made

        merged = flexible.merge(with_constant(2, 16), with_constant(3, 11),
                                (2, 16), (3, 11))
        self.assertEqual(merged["parameters"][0]["shape"], [16, 16, 4])
        short = flexible.resolve(merged, 5, 7)
        values, at = short["values"], merged["parameters"][0]["value"]
        self.assertEqual(values[at][1], [16, 16, 4])
        for node, shape in zip(short["nodes"], ([7, 16, 4], [7, 7, 4])):
            self.assertEqual(node["op"], "aten.slice.Tensor")
            self.assertEqual(node["in"], [at])
            at = node["out"][0]
            self.assertEqual(values[at][1], shape)
            self.assertEqual(node["attrs"]["end"], 7)
        self.assertEqual(short["nodes"][2]["in"], [0, at])

    def test_other_programs_are_told_apart(self):
        sizes = ((2, 16), (3, 11))
        for other in (program([3, 12]), program([3, 11, 1]),
                      program([3, 11], 0.5), program([3, 11], True)):
            with self.assertRaises(flexible.Differs):
                flexible.merge(program([2, 16]), other, *sizes)
        other = program([3, 11])
        other["nodes"][0]["op"] = "aten.g.default"
        with self.assertRaises(flexible.Differs):
            flexible.merge(program([2, 16]), other, *sizes)


class CommandTest(unittest.TestCase):
    def refused(self, *arguments):
        error = io.StringIO()
        with contextlib.redirect_stderr(error):
            with self.assertRaises(SystemExit) as left:
                import_model.parse(list(arguments))
        self.assertEqual(left.exception.code, 2)
        return error.getvalue()

    def test_wrong_commands(self):
        self.assertIn("required", self.refused())
        self.assertIn("--output", self.refused("--module", "a:b"))
        self.assertIn("at least 2",
                      self.refused("--model", "m", "--sequence-length", "1"))
        self.assertIn("not allowed",
                      self.refused("--model", "m", "--module", "a:b"))
        self.assertIn("--input and --weights are for --model", self.refused(
            "--module", "a:b", "--output", "o", "--input", "x:B:int"))

    def test_wrong_factories(self):
        for text, word in (("json", "package.module:factory"),
                           ("no.such.package:f", "no.such"),
                           ("json:no_such", "no_such")):
            with self.assertRaisesRegex(ImportFailure, word):
                factory(text)


if __name__ == "__main__":
    unittest.main()
