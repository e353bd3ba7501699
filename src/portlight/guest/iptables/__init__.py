"""Rule sets of iptables: text, commands, verdicts. Pure, but for the door to the tool itself."""
