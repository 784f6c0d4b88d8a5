"""Float rewrites before quantization: the only place where their order lives."""

from __future__ import annotations

from accelserve.kernels.compiler.driver import Pass, run_pass, run_passes
from accelserve.kernels.ir import Graph
from accelserve.models.quantize.rewrites.drop_no_ops import drop_no_ops
from accelserve.models.quantize.rewrites.fold_affine_after import fold_affine_after
from accelserve.models.quantize.rewrites.fold_affine_before import fold_affine_before
from accelserve.models.quantize.rewrites.fold_pad import fold_pad
from accelserve.models.quantize.rewrites.fold_subsampling import fold_subsampling
from accelserve.models.quantize.rewrites.merge_affines import merge_affines
from accelserve.models.quantize.rewrites.merge_clips import merge_clips
from accelserve.models.quantize.rewrites.merge_reshapes import merge_reshapes

SIMPLIFICATIONS = tuple(
    Pass(rewriting.__name__, rewriting, repeats=False)
    for rewriting in (
        drop_no_ops,
        merge_reshapes,
        merge_clips,
        merge_affines,
        fold_affine_after,
        fold_affine_before,
        fold_pad,
        fold_subsampling,
    )
)


def simplify(graph: Graph) -> Graph:
    """Apply ``SIMPLIFICATIONS`` until none changes anything; the result computes the same up to float rounding.

    Raises:
        PassError: one of them failed, or they do not come to an end.
    """
    return run_pass(graph, Pass("simplify", _each_once))


def _each_once(graph: Graph) -> tuple[Graph, bool]:
    swept = run_passes(graph, SIMPLIFICATIONS)
    return swept, swept is not graph
