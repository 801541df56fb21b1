"""What goes in circles: attempts that fail and actors that are restarted, of all jobs, found without being asked."""
