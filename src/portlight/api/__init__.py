"""The REST faces over the service. Wire spellings and status numbers live here only."""
