"""From a version's folder to a version that answers.

``device`` loads onto the device; ``batching``, ``warming`` and ``announcing`` do what a version needs before it is available.
"""
