"""From a version's folder to a version that answers.

``device`` loads onto the device; ``pipeline`` lists the stages around it, ``stages`` says what one is, and
``batching_parameters`` and ``recorded_requests`` are two of them.
"""
