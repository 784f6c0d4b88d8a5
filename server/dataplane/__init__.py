"""From named arrays to named arrays: what every frontend calls, knowing no transport.

``inputs`` finds the pictures in a request, ``outputs`` finds what is wanted back, ``predictor`` takes a request through
admission, decode, compute and post-processing.
"""
