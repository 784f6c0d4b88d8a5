"""MLPerf Inference's four scenarios through its own LoadGen, with a running server as the system under test.

    make bench-mlperf
    python -m benchmarks.mlperf --network resnet50 --official

Not a submission: the network has other weights, the pictures are photographs of one size instead of ImageNet, nobody
reviewed it, and 60 seconds are a tenth of what the rules ask of a scenario. What LoadGen decides, it decides by its own
rules: which requests come when, what counts as a percentile (with early stopping), and whether a run is VALID.
``driver`` leads; ``system_under_test`` is LoadGen's process, in an environment of its own (``.venv-mlperf``).
"""
