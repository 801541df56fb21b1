"""Programs in trouble, each with an innocent twin, on a real cluster: ``make zoo``, or ``python -m tests.zoo``."""
