"""Settings that are changed live."""
