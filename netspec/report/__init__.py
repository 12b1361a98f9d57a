"""Values in, text or JSON out. Pure."""
