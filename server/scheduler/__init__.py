"""Who computes what, when: admission, deadlines, batches. Knows neither transports nor networks.

A request is admitted (``admission``), decodes, and hands its pixels to the ``scheduler`` of its device. ``watch`` tells
at each step whether anybody still waits for the answer.
"""
