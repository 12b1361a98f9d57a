"""Edge in: from text in files to a validated document, and from there to a desired state."""
