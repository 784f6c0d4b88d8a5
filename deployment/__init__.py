"""Where servables run when they leave this machine: container images, edge boxes, Kubernetes.

Everything here renders for, and calls, systems that others make: container engines, compose, systemd, Kubernetes. It
imports the models and the client, never the server.
"""
