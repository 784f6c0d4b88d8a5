"""The gRPC frontend: a thin shell around what ``server.protocols`` answers.

``service_table`` lists the methods; ``guard`` wraps each of them; ``opening`` says who
calls, ``call_interceptor`` asks it before every call; ``listener`` owns the port. Health, reflection and streams are gRPC's own and stand here whole.
"""
