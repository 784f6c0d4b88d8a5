"""The server's replicas on a Ray cluster, behind Ray Serve's gRPC proxies.

A call passes three processes: the client's, a proxy of Ray Serve (``proxy`` says what it takes and what it makes of Serve's
own errors), and a ``replica``, which answers as the server itself would: it is a ``Backend`` without ports. ``passage`` is
what crosses between the two. ``deployment`` puts replicas on a cluster, from the process of ``accelserve serve``.

This room alone imports Ray, and only where a cluster is started or reached.
"""
