"""Drivers: the only room that touches the kernel. They see plans, never the domain."""
