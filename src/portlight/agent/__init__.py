"""One agent per host: when to look, what to apply, what to report. Holds no truth."""
