"""Pods that ask by annotation: what is told on them."""
