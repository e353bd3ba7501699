"""A server's interfaces and routes: what is there, what is wrong, and the remedies."""
