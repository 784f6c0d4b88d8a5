"""Microkernels as data: a generator of LLVM IR, a grammar of names, one table of instruction sets."""
