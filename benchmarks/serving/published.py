"""Figures that others published, which stand beside ours core for core. Each was read where ``source`` says."""

from __future__ import annotations

from dataclasses import dataclass

RESNET50_GMAC = 4.1


@dataclass(frozen=True, slots=True, kw_only=True)
class Published:
    """A result of somebody else's.

    Attributes:
        who: submitted it, and where.
        machine: processors and instruction set.
        cores: of all processors.
        samples_per_second: MLPerf's Offline, ResNet-50 v1.5 in int8.
        source: path in GitHub's ``mlcommons`` repository of that round.
    """

    who: str
    machine: str
    cores: int
    samples_per_second: float
    source: str

    @property
    def per_core(self) -> float:
        """Images a second a core."""
        return self.samples_per_second / self.cores

    def line(self) -> str:
        """For the page."""
        return (
            f"{self.who}: {self.machine}, {self.samples_per_second:,.0f} samples/s Offline on {self.cores} cores: "
            f"{self.per_core:.0f} images/s a core, {self.per_core * RESNET50_GMAC:.0f} GMAC/s a core (`{self.source}`)"
        )


PUBLISHED = (
    Published(
        who="Intel, MLPerf Inference v4.0",
        machine="2 x Xeon Platinum 8592+, AMX",
        cores=128,
        samples_per_second=25289.6,
        source="mlcommons/inference_results_v4.0: closed/Intel/results/1-node-2S-EMR-PyTorch/resnet50/Offline",
    ),
    Published(
        who="Intel, MLPerf Inference v1.1",
        machine="2 x Xeon Platinum 8380, AVX-512 VNNI",
        cores=80,
        samples_per_second=4103.45,
        source="mlcommons/inference_results_v1.1: closed/Intel/results/1-node-2S-ICX-PyTorch-INT8/resnet50/offline",
    ),
)
