"""The native face: instances, virtual IPs, counters and the channel of the agents."""
