"""Writes the files of this folder; needs PyTorch 2, which the tests themselves do not.

    python tests/models/weights/data/make_torch_files.py

Seeded, but PyTorch does not promise the same bytes in every version: ``expected.npz`` is written along.
"""

import argparse
import warnings
from pathlib import Path

import numpy as np
import torch
from safetensors.torch import save_file

HERE = Path(__file__).parent


def tensors() -> dict[str, torch.Tensor]:
    torch.manual_seed(0)
    matrix = torch.randn(4, 6)
    return {
        "float32": torch.randn(2, 3, 3, 3),
        "float64": torch.randn(3, dtype=torch.float64),
        "float16": torch.randn(5).half(),
        "bfloat16": torch.randn(7).bfloat16(),
        "int64": torch.tensor([1, -2, 3]),
        "uint8": torch.arange(4, dtype=torch.uint8),
        "bool": torch.tensor([True, False]),
        "scalar": torch.tensor(2.5),
        "empty": torch.empty(0, 3),
        "parameter": torch.nn.Parameter(torch.randn(2, 2)),
        "transposed": matrix.t(),
        "row": matrix[2],
        "every_other_column": matrix[:, ::2],
    }


def main() -> None:
    named = tensors()
    np.savez(HERE / "expected.npz", **{k: v.detach().float().numpy() for k, v in named.items()})
    wrapped = {
        "epoch": 3,
        "args": argparse.Namespace(lr=0.1),
        "optimizer": torch.optim.SGD([torch.zeros(2, requires_grad=True)], lr=0.1, momentum=0.9).state_dict(),
        "state_dict": {f"module.{k}": v for k, v in named.items()},
    }
    torch.save(named, HERE / "archive.pth")
    torch.save(named, HERE / "stream.pth", _use_new_zipfile_serialization=False)
    torch.save(wrapped, HERE / "training.pth")
    torch.save(torch.nn.Linear(2, 2), HERE / "whole_module.pth")
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        torch.jit.script(torch.nn.Linear(2, 2)).save(str(HERE / "script.pt"))
    save_file({k: v.detach().contiguous() for k, v in named.items()}, HERE / "tensors.safetensors")


if __name__ == "__main__":
    main()
