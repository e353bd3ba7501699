"""The typed HTTP client: the one door for terminals and for the agent."""
