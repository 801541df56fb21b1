"""Settings that are changed live (``user_config``): what is wrong with them, and which of them are in force."""
