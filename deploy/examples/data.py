"""Data for the examples that a model can learn: data.py EXAMPLE FILE.

FILE ends in .jsonl or .safetensors; its columns are the example's inputs.
"""
import json
import sys

import torch

ROWS = 64


def linear_stack():
    x = torch.randn(ROWS, 16)
    return {"x": x, "target": torch.sin(x[:, :4] + x[:, 4:8])}


def classifier():
    labels = torch.randint(0, 5, (ROWS,))
    centers = torch.randn(5, 6)
    return {"features": centers[labels][:, None, :]
            + 0.3 * torch.randn(ROWS, 10, 6), "labels": labels}


def masked_language_model():
    mask_token, length = 1, 12
    first = torch.randint(2, 48, (ROWS, 1))
    whole = (first + torch.arange(length)) % 46 + 2  # each follows the last
    masked = torch.rand(ROWS, length) < 0.2
    rows = torch.arange(ROWS)[:, None]
    padding = torch.arange(length)[None, :] >= length - rows % 3
    return {"input_ids": torch.where(masked, mask_token, whole),
            "attention_mask": (~padding).long(),
            "token_type_ids": (torch.arange(length) >= length // 2).long()
            .expand(ROWS, length).contiguous(),
            "labels": torch.where(masked & ~padding, whole, -100)}


def image_classifier():
    """Stripes of four directions, with noise."""
    labels = torch.randint(0, 4, (ROWS,))
    y, x = torch.meshgrid(torch.arange(12.0), torch.arange(12.0),
                          indexing="ij")
    directions = torch.stack([x, y, x + y, x - y])[labels]
    pixels = (0.5 + 0.5 * torch.sin(1.5 * directions))[:, None]
    return {"pixel_values": 0.8 * pixels
            + 0.2 * torch.rand(ROWS, 1, 12, 12), "labels": labels}


def main():
    example, path = sys.argv[1:]
    torch.manual_seed(0)
    columns = globals()[example]()
    if path.endswith(".safetensors"):
        from safetensors.torch import save_file
        save_file(columns, path)
        return
    with open(path, "w", encoding="utf-8") as file:
        for row in range(ROWS):
            cells = {name: column[row].tolist()
                     for name, column in columns.items()}
            file.write(json.dumps(cells) + "\n")


if __name__ == "__main__":
    main()
