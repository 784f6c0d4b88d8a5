"""Kubernetes: plain manifests that kustomize takes, without Helm; and a runtime for KServe."""
