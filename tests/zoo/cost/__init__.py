"""What watching costs with many jobs that run: ``python -m tests.zoo.cost``."""
