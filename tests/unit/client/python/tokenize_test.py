# Goal: autotp-tokenize writes what worker/data reads, or says what is wrong.
# Method: a tokenizer whose tokens are characters; no package is needed.
import json
import os
import struct
import sys
import tempfile
import unittest

ROOT = os.path.join(os.path.dirname(__file__), "..", "..", "..", "..")
sys.path.insert(0, os.path.join(ROOT, "client", "python"))

from autotp import tokenize  # noqa: E402


class Characters:
    eos_token_id = 1
    pad_token_id = None

    def __init__(self, size=256):
        self.size = size

    def __len__(self):
        return self.size

    def encode(self, text):
        return [ord(c) for c in text]


class TokenizeTest(unittest.TestCase):
    def setUp(self):
        self.folder = tempfile.TemporaryDirectory()
        self.addCleanup(self.folder.cleanup)

    def path(self, name):
        return os.path.join(self.folder.name, name)

    def file(self, name, text):
        with open(self.path(name), "w", encoding="utf-8") as file:
            file.write(text)
        return self.path(name)

    def write(self, inputs, output, size=256, **options):
        return tokenize.write(inputs, self.path(output), Characters(size),
                              **options)

    def read_stream(self, name):
        with open(self.path(name), "rb") as file:
            data = file.read()
        magic, version, count = struct.unpack("<3i", data[:12])
        width = {20240520: "H", 20240801: "I"}[magic]
        self.assertEqual(version, 1)
        return width, list(struct.unpack(f"<{count}{width}", data[1024:]))

    def test_documents_of_all_kinds_follow_each_other(self):
        inputs = [self.file("a.txt", "ab\ncd\n"),
                  self.file("b.jsonl", '{"text": "x"}\n\n{"text": "yz"}\n')]
        self.assertEqual(self.write(inputs, "t.bin"), (3, 12))
        self.assertEqual(self.read_stream("t.bin"), (
            "H", [97, 98, 10, 99, 100, 10, 1, 120, 1, 121, 122, 1]))

    def test_lines_are_documents_if_wanted_and_end_may_be_left_out(self):
        inputs = [self.file("a.txt", "ab\n\nc\n")]
        self.write(inputs, "t.bin", lines=True, append_end=False)
        self.assertEqual(self.read_stream("t.bin")[1], [97, 98, 99])

    def test_a_large_vocabulary_takes_four_bytes(self):
        self.write([self.file("a.txt", "a")], "t.bin", size=70000)
        self.assertEqual(self.read_stream("t.bin"), ("I", [97, 1]))

    def test_prompts_and_padding_are_not_learned(self):
        line = json.dumps({"prompt": "ab", "completion": "c"})
        inputs = [self.file("a.jsonl", line + "\n")]
        self.write(inputs, "s.jsonl", sequence_length=6)
        with open(self.path("s.jsonl"), encoding="utf-8") as file:
            self.assertEqual(json.loads(file.read()), {
                "input_ids": [97, 98, 99, 1, 1, 1],
                "labels": [-100, -100, 99, 1, -100, -100]})

    def test_a_long_document_is_cut(self):
        inputs = [self.file("a.txt", "abcdef")]
        self.write(inputs, "s.jsonl", sequence_length=4)
        with open(self.path("s.jsonl"), encoding="utf-8") as file:
            self.assertEqual(json.loads(file.read())["labels"],
                             [97, 98, 99, 100])

    def test_wrong_input_names_its_place_and_leaves_nothing(self):
        cases = [
            ('{"text": "x"}\n{"text": 3}\n', "t.bin", {}, "a.jsonl:2: has nei"),
            ('{"text": "x"\n', "t.bin", {}, "a.jsonl:1: not JSON"),
            ('[1]\n', "t.bin", {}, "a.jsonl:1: not an object"),
            ('\n', "t.bin", {}, "no document"),
            ('{"text": "x"}\n', "s.jsonl", {}, "--sequence-length"),
            ('{"text": "x"}\n', "t.npy", {}, ".bin or .jsonl"),
        ]
        for text, output, options, message in cases:
            with self.subTest(message):
                inputs = [self.file("a.jsonl", text)]
                with self.assertRaises(tokenize.InputError) as caught:
                    self.write(inputs, output, **options)
                self.assertIn(message, str(caught.exception))
                self.assertEqual(os.listdir(self.folder.name), ["a.jsonl"])


if __name__ == "__main__":
    unittest.main()
