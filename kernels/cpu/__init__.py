"""The CPU engine: microkernels for each instruction set, plans of steps, what compiles them and what runs them."""
