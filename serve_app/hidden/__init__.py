"""What is hidden by value wherever texts are shown: how it may be written, finding it, and what this process holds."""
