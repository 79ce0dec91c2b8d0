"""Writes python.json: what Python's re.match says of many patterns.

Run with Python 3.11 or later; tests/unit/coordinator/plan/python_re_test.cc
reads the answers, so that no test needs Python.
"""

import json
import pathlib
import random
import re
import warnings

NAMES = [
    "model.layers.0.self_attn.q_proj.weight",
    "model.layers.11.mlp.down_proj.weight",
    "model.layers.3.mlp.experts.12.w1.weight",
    "model.embed_tokens.weight",
    "model.norm.weight",
    "lm_head.weight",
    "transformer.h.7.attn.c_attn.weight",
    "transformer.h.7.attn.c_attn.bias",
    "h.0.self_attention.query_key_value.weight",
    "q_proj.weight",
    "a",
    "ab",
    "aab",
    "abab",
    "b_2",
    "A.B",
    "x-1[0]",
    "a{2}",
    "$^",
    "12",
]

# Patterns that people write, and each construct alone.
KNOWN = [
    r".*\.self_attn\.[qkv]_proj\.weight$",
    r".*\.self_attn\.(q|k|v)_proj\.weight",
    r".*self_attn.o_proj.weight$",
    r"model\.layers\.\d+\.mlp\.(gate|up)_proj\.weight$",
    r"(?:.*\.)?mlp\.down_proj\.weight$",
    r".*\.experts\.\d+\.w[13]\.weight$",
    r"^lm_head\.weight$",
    r"lm_head",
    r".*lm_head\.weight",
    r".*(q_proj|k_proj|v_proj)",
    r"layers",
    r".*layers\.(?:[0-9]|1[0-5])\.",
    r"(?i).*Q_PROJ.*",
    r".*\.h\.\d{1,2}\.attn\.c_attn\.(weight|bias)\Z",
    r"(?P<block>.*)\.(?P<name>\w+)\.weight",
    r"(?P<n>a)(?P<n>b)",
    r"(?P<n>a)|(?P<n>b)",
    r"(?P<1n>a)", r"(?P<>a)", r"(?P<n-m>a)", r"(?P<n", r"(?P<n>", r"(?P=n)",
    r"(?P<n>a)(?P=n)", r"(a)\1", r"\1(a)", r"(a)\2",
    r"a(?=b)", r"a(?!b)", r"(?<=a)b", r"(?<!a)b", r"(?>a)b", r"a++", r"a*+b",
    r"a?+", r"a{1,2}+", r"(a)?(?(1)b|c)", r"(?(1)a)", r"(?x) a", r"(?L)a",
    r"a(?i)b", r"(?i-i:a)", r"(?-i:A)b", r"(?-s:.)", r"(?a-u:a)", r"(?au:a)",
    r"(?au)a", r"(?iu)a", r"(?-:a)", r"(?:a", r"(?", r"(?z)", r"(?P", r"(?P>n)",
    r"(?i", r"(?im)a$", r"(?s).*", r"(?m)^a", r"(?<n>a)", r"(?'n'a)", r"(?#", r"(?#x)a",
    r"a{2}", r"a{,2}b", r"a{2,}", r"a{2,1}", r"a{0}b", r"{2}", r"a{2}{3}",
    r"a{x}", r"a{2", r"a{,}b", r"a{ 2}", r"a**", r"*a", r"a|*", r"(*a)", r"^*",
    r"$*", r"a$b", r"(a$)", r"(a$)b", r"^^a", r"a$$", r"\ba", r"a\b", r"\Ba", r"a\B",
    r"\Aa", r"a\Z", r"a\z", r"\b*", r"\Z+", r"()", r"()*", r"(|a)b", r"a||b", r"(?:)+a",
    r"[a", r"[]", r"[]a]b", r"[^]a]", r"[^", r"[a-z]+", r"[z-a]", r"[a-]b",
    r"[-a]", r"[a-b-c]", r"[a-\d]", r"[\d-z]", r"[\w-]", r"[\d-]", r"[a\]b]",
    r"[[:alpha:]]", r"[[a]", r"[a--b]", r"[--a]", r"[a&&b]", r"[a||b]", r"[a~~b]",
    r"[\b]", r"[\B]", r"[\A]", r"[\1]", r"[\01]", r"[\x41]", r"[\x4]", r"[\u0041]",
    r"[\q]", r"[^\W\d]", r"[\s\S]", r"[a^]", r"[$]",
    r"\x61", r"\x6", r"\u0061b", r"\u061", r"\U00000061", r"\U1", r"\141", r"\0", r"\08", r"\400",
    r"\777", r"\8", r"\9", r"\N{DIGIT ONE}", r"\p{L}", r"\Q", r"\q", r"\_", r"\ ", r"\-", r"\/",
    r"\{", r"\e", r"\d+", r"\D+", r"\s", r"\w+\.", r"\W", "\\", "a\\", r")", r"a)", r"((a)",
    r"x{1001}", r"(?:a{9}){9}", r"a{1000}", r".{,1000}q", r"é", r"[é]", r".*é?",
]

PIECES = [
    "a", "b", "A", "q_proj", "weight", r"\.", ".", ".*", ".+", r"\d", r"\d+",
    r"\w", r"\W", r"\s", r"\S", r"\b", r"\B", "(", ")", "(?:", "|", "[", "]",
    "[^", "[ab]", "[a-z_]", "[^.]", "*", "+", "?", "{2}", "{1,2}", "{,2}",
    "{", "}", "^", "$", "-", ",", r"\A", r"\Z", "(?i:", "(?P<n>", "(?P<m>",
    "(?-i:", "model", "layers", "0", "1", "_", r"\x61", r"\-", r"\_", r"\[",
    "*?", "+?", "??", "{2}?", r"[\d_]", r"[\w.]", "(?#c)", "(?i)", "(?s)",
]

WHOLE = [
    "model", r"\.", "layers", r"\d+", "self_attn", "[qkv]_proj", ".*",
    "(a|b)", "(?:mlp|self_attn)", r"\w+", "weight", "$", r"\Z", "(?i:Q_PROJ)",
    r"[^.]+", ".", "h", "attn", "c_attn", "a", "b", "a*", "b?", "[ab]{1,2}",
    r"(?P<n>\d+)", r"\b", "lm_head", "_", "2", ".+?",
]


def answer(pattern):
    try:
        with warnings.catch_warnings():
            warnings.simplefilter("ignore")
            compiled = re.compile(pattern)
    except (re.error, OverflowError) as error:
        return {"pattern": pattern, "error": str(error)}
    matches = "".join("1" if compiled.match(name) else "0" for name in NAMES)
    return {"pattern": pattern, "matches": matches}


def main():
    choose = random.Random(3)
    patterns = list(KNOWN)
    for _ in range(900):
        patterns.append(
            "".join(choose.choices(PIECES, k=choose.randint(1, 6))))
    for _ in range(700):
        patterns.append(
            "".join(choose.choices(WHOLE, k=choose.randint(1, 9))))
    # What is wrong by a bracket too many teaches nothing after a few.
    answers, unbalanced = [], 0
    for pattern in dict.fromkeys(patterns):
        entry = answer(pattern)
        if "parenthes" in entry.get("error", "") or "unterminated" in entry.get(
                "error", ""):
            unbalanced += 1
            if unbalanced > 120:
                continue
        answers.append(entry)
    path = pathlib.Path(__file__).parent / "python.json"
    lines = ",\n".join(json.dumps(entry) for entry in answers)
    path.write_text(f'{{"names": {json.dumps(NAMES)},\n"answers": [\n{lines}\n]}}\n')
    print(len(answers), sum("error" in entry for entry in answers))


if __name__ == "__main__":
    main()
