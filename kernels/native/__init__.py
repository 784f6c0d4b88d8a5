"""Native code: functions compiled by numba or made of LLVM IR, as object files that are cached, loaded and called by address."""
