"""Rule sets of iptables as values: their text, their meaning, and the door to the real tools."""
