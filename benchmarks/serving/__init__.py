"""Whole requests beside what others would deploy: the servers, the loads, and the report that is made of them.

    make bench-serving
    python -m benchmarks.serving --networks resnet50 open-nsfw

In the order in which a run passes through: ``environments`` sets up the peers, ``subjects`` are the networks and the
photographs, ``contenders`` the servers, ``running`` one of them as a process; ``answers`` compares what they say with
unoptimised onnxruntime, ``loads`` and ``rounds`` measure them in turn by ``accelserve.loadgen``, ``goodput`` searches,
``simulation`` says what queueing alone would cost; ``record`` puts a network's figures together, ``goals`` judges them,
``performance_page`` writes docs/performance.md and ``check`` compares a run with the committed one. ``peers`` are programs
of their own.
"""
