"""The CPU engine: instruction sets, microkernels, steps, workers, and the programs made of them."""
