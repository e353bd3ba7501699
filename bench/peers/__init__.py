"""Other ways to connect two guests, for comparison in the same run."""
