"""A load generator for servers that answer pictures: TensorFlow Serving's API and the Open Inference Protocol (KServe v2).

In the order in which a measurement passes through: ``pictures`` are what is sent, ``requests`` makes bodies of them,
``senders`` carry them over gRPC or HTTP, ``preflight`` asks once, before anything is measured; ``callers`` decide when to
send and ``recorder`` writes down what came of it, in several client processes (``process``) that ``fleet`` leads;
``server_metrics`` reads the server's own account, ``ramp`` finds the knee, ``results`` puts it all together as JSON and
``report`` as a page. Imports the client and the protos only, so a machine that makes load needs no server:
``pip install 'accelserve[bench]'``.
"""
