"""The domain: entities, what is valid, address management, verdicts. Pure."""
