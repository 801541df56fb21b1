"""Who may call: tokens with their names and roles, where they come from, and the command that makes them."""
