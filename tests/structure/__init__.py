"""``make structure``: counts folders, files and names of a checkout."""
