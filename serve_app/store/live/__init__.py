"""The last good settings of each deployment, and what was refused since."""
