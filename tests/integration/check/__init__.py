"""The checker, where it starts processes."""
