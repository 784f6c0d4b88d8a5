#!/usr/bin/env bash
# OpenVINO 2026.4.1 on a processor with AVX512_BF16. ONEDNN_MAX_CPU_ISA holds oneDNN's kernels down, but not the plugin's
# own choice of precision: it still computes what is not int8 in bfloat16, which oneDNN below AVX512_CORE_BF16 does not
# have. Nothing is refused: an int8 convolution whose result is transposed and reshaped gives numbers up to 3e38. So a
# measurement that holds OpenVINO down times garbage, unless INFERENCE_PRECISION_HINT is f32.
# Seen on a Zen 4 with ONEDNN_MAX_CPU_ISA=AVX2 (precision, largest result):
#   left to itself: bf16 18.75
#   held to AVX2: bf16 3.0439321e+38
#   held to AVX2 with the hint f32: f32 18.7338
# Exits with 0 while that is so, with 77 where the processor has no AVX512_BF16.
set -euo pipefail
grep -qw avx512_bf16 /proc/cpuinfo || { echo "this processor has no AVX512_BF16"; exit 77; }
folder=$(mktemp -d)
trap 'rm -rf "$folder"' EXIT
"${PYTHON:-python3}" -m venv "$folder/venv"
"$folder/venv/bin/python" -m pip --disable-pip-version-check --quiet install openvino==2026.4.1 numpy==2.4.6
cat >"$folder/largest.py" <<'PYTHON'
import sys

import numpy as np
import openvino as ov
import openvino.opset13 as op

numbers = np.random.default_rng(0)


def quantized(value: ov.Node, bound: float, levels: int) -> ov.Node:
    low, high = np.float32(-bound), np.float32(bound)
    return op.fake_quantize(value, low, high, low, high, levels)


image = op.parameter([1, 16, 8, 8], np.float32)
weights = quantized(op.constant(numbers.normal(size=(8, 16, 3, 3)).astype(np.float32)), 3, 255)
sums = op.convolution(quantized(image, 1, 256), weights, [1, 1], [1, 1], [1, 1], [1, 1])
biased = op.add(sums, op.constant(numbers.normal(size=(1, 8, 1, 1)).astype(np.float32)))
rows = op.reshape(op.transpose(biased, op.constant(np.array([0, 2, 3, 1]))), op.constant(np.array([1, -1, 4])), False)
network = ov.Core().compile_model(ov.Model([op.result(rows)], [image]), "CPU", dict(x.split("=") for x in sys.argv[1:]))
answer = network(numbers.uniform(-1, 1, (1, 16, 8, 8)).astype(np.float32))[0]
print(network.get_property("INFERENCE_PRECISION_HINT").get_type_name(), np.abs(answer).max())
PYTHON
ask() { env "$1" "$folder/venv/bin/python" "$folder/largest.py" ${2:+"$2"}; }
free=$(ask NOTHING=)
held=$(ask ONEDNN_MAX_CPU_ISA=AVX2)
exact=$(ask ONEDNN_MAX_CPU_ISA=AVX2 INFERENCE_PRECISION_HINT=f32)
printf 'left to itself: %s\nheld to AVX2: %s\nheld to AVX2 with the hint f32: %s\n' "$free" "$held" "$exact"
"$folder/venv/bin/python" - "$free" "$held" "$exact" <<'PYTHON'
import sys

types, largest = zip(*(text.split() for text in sys.argv[1:]))
free, held, exact = map(float, largest)
seen = types == ("bf16", "bf16", "f32") and 18 < free < 20 and not held < 1e30 and 18 < exact < 20
raise SystemExit(0 if seen else 1)
PYTHON
