"""Bridges and links: one bridge per network, one veth pair per port, programs on its host end."""
