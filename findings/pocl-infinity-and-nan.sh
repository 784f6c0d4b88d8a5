#!/usr/bin/env bash
# pocl-binary-distribution 3.0 (PoCL 3.0, LLVM 14) with pyopencl 2026.1.4, on a Zen 4. Two edge cases of OpenCL C are not the
# specification's. tanh(infinity) is not 1 but the float32 below it, so that a saturated activation is not the one of other devices
# (edge cases are those of C99, annex F: tanh of infinity is 1). And convert_int_sat of NaN is the lowest int, as the processor's
# own instruction has it, where convert_char_sat, convert_uchar_sat and convert_uint_sat of NaN are 0 ("NaN should be converted to
# 0"): the quantized zero of one type is the end of the range of another.
# Seen:
#   tanh(inf) is 1: False
#   convert_char_sat(NaN) 0, convert_uchar_sat(NaN) 0, convert_short_sat(NaN) 0, convert_int_sat(NaN) -2147483648
# Exits with 0 while that is so, and with 77 on other processors than x86.
set -euo pipefail
folder=$(mktemp -d)
trap 'rm -rf "$folder"' EXIT
"${PYTHON:-python3}" -m venv "$folder/venv"
"$folder/venv/bin/python" -m pip --disable-pip-version-check --quiet install pyopencl==2026.1.4 pocl-binary-distribution==3.0 numpy==2.4.6
"$folder/venv/bin/python" - <<'PYTHON'
import platform

if platform.machine() not in ("x86_64", "AMD64"):
    raise SystemExit(77)

import numpy as np
import pyopencl as cl

SOURCE = """
kernel void activate(global float *x) { x[get_global_id(0)] = tanh(x[get_global_id(0)]); }
kernel void convert(float x, global int *y) {
    y[0] = convert_char_sat(x);
    y[1] = convert_uchar_sat(x);
    y[2] = convert_short_sat(x);
    y[3] = convert_int_sat(x);
}
"""
platforms = [p for p in cl.get_platforms() if p.name == "Portable Computing Language"]
context = cl.Context(platforms[0].get_devices()[:1])
queue = cl.CommandQueue(context)
program = cl.Program(context, SOURCE).build()
activated, converted = np.array([np.inf], np.float32), np.zeros(4, np.int32)
floats = cl.Buffer(context, cl.mem_flags.READ_WRITE | cl.mem_flags.COPY_HOST_PTR, hostbuf=activated)
integers = cl.Buffer(context, cl.mem_flags.WRITE_ONLY, converted.nbytes)
program.activate(queue, (1,), None, floats)
program.convert(queue, (1,), None, np.float32(np.nan), integers)
cl.enqueue_copy(queue, activated, floats)
cl.enqueue_copy(queue, converted, integers)
print("tanh(inf) is 1:", bool(activated[0] == 1))
names = ("char", "uchar", "short", "int")
print(", ".join(f"convert_{name}_sat(NaN) {value}" for name, value in zip(names, converted.tolist(), strict=True)))
seen = activated[0] == np.nextafter(np.float32(1), np.float32(0)) and converted.tolist() == [0, 0, 0, -(2**31)]
raise SystemExit(0 if seen else "PoCL has changed")
PYTHON
