"""From an imported network to a published version: what it reads and answers with, quantized, proved, described."""
