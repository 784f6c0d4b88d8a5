"""What runs a plan: a program's memory and its team of workers. Nothing here imports the compiler or numba."""
