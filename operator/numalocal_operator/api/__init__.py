"""The calls of the Kubernetes API."""
