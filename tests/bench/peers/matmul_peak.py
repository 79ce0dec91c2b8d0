"""The machine's matrix-multiply rate now: the median GFLOP/s of fp32 products
as large as a training step's, with the given number of threads."""

import argparse
import json
import statistics
import time

import torch


def main():
    parser = argparse.ArgumentParser()
    parser.add_argument("--threads", type=int, default=2)
    parser.add_argument("--repeats", type=int, default=15)
    a = parser.parse_args()
    torch.set_num_threads(a.threads)
    n = 1024
    x, y = torch.randn(n, n), torch.randn(n, n)
    out = torch.empty(n, n)
    rates = []
    for _ in range(a.repeats + 3):
        start = time.perf_counter()
        torch.mm(x, y, out=out)
        rates.append(2 * n**3 / (time.perf_counter() - start) / 1e9)
    print(json.dumps({"gflops": statistics.median(rates[3:])}))


if __name__ == "__main__":
    main()
