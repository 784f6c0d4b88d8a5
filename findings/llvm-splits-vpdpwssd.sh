#!/usr/bin/env bash
# llvmlite 0.50.0 (LLVM 22.1). In a chain of @llvm.x86.avx512.vpdpwssd.512, each adding to the result before, code for
# Intel's processors with AVX-512 VNNI gets vpmaddwd and vpaddd instead of vpdpwssd: the machine combiner shortens the
# latency so, two instructions for one, unless the tuning feature fast-dpwssd is on (llvm/llvm-project#85375). znver4 has
# it; cascadelake, icelake-server and sapphirerapids have not. vpdpbusd is left alone.
# Seen, for a chain of three:
#   cascadelake               {'vpdpwssd': 1, 'vpmaddwd': 2, 'vpaddd': 2}
#   cascadelake +fast-dpwssd  {'vpdpwssd': 3, 'vpmaddwd': 0, 'vpaddd': 0}
#   znver4                    {'vpdpwssd': 3, 'vpmaddwd': 0, 'vpaddd': 0}
# Assembly is only written, so that the processor does not matter. Exits with 0 while that is so.
set -euo pipefail
folder=$(mktemp -d)
trap 'rm -rf "$folder"' EXIT
"${PYTHON:-python3}" -m venv "$folder/venv"
"$folder/venv/bin/python" -m pip --disable-pip-version-check --quiet install llvmlite==0.50.0
"$folder/venv/bin/python" - <<'PYTHON'
import llvmlite
import llvmlite.binding as llvm

CALL = "call <16 x i32> @llvm.x86.avx512.{0}.512(<16 x i32> %{1}, {2} %{3}, {2} %{4})"
PARTS = {"vpdpwssd": "<32 x i16>", "vpdpbusd": "<64 x i8>"}
TARGETS = [("cascadelake", ""), ("cascadelake", "+fast-dpwssd"), ("icelake-server", ""), ("sapphirerapids", ""), ("znver4", "")]


def chain(instruction: str) -> str:
    part = PARTS[instruction]
    calls = [CALL.format(instruction, f"s{i}", part, f"x{i}", "y") for i in range(3)]
    return "\n".join([
        f"declare <16 x i32> @llvm.x86.avx512.{instruction}.512(<16 x i32>, {part}, {part})",
        f"define <16 x i32> @f(<16 x i32> %s0, {part} %x0, {part} %x1, {part} %x2, {part} %y) {{",
        *(f"  %s{i + 1} = {call}" for i, call in enumerate(calls)),
        "  ret <16 x i32> %s3",
        "}",
    ])


def count(instruction: str, cpu: str, features: str) -> dict[str, int]:
    target = llvm.Target.from_triple("x86_64-unknown-linux-gnu")
    machine = target.create_target_machine(cpu=cpu, features=features, opt=3)
    assembly = machine.emit_assembly(llvm.parse_assembly(chain(instruction)))
    return {name: assembly.count(f"\t{name}") for name in (instruction, "vpmaddwd", "vpaddd")}


llvm.initialize_all_targets()
llvm.initialize_all_asmprinters()
print("llvmlite", llvmlite.__version__, "LLVM", llvm.llvm_version_info)
for instruction in PARTS:
    for cpu, features in TARGETS:
        found = count(instruction, cpu, features)
        print(f"{cpu} {features}".ljust(26), found)
        split = instruction == "vpdpwssd" and cpu != "znver4" and not features
        if (found["vpmaddwd"] > 0) != split:
            raise SystemExit("LLVM chooses otherwise")
PYTHON
