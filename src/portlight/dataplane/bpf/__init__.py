"""The eBPF data plane: programs, maps and their drivers. Speaks numbers, never the domain."""
