"""A network's plan as data: steps and their records, packed constants, what each step reads and writes, and the proof."""
