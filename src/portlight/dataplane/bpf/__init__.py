"""The eBPF data plane: images and maps as values, and the drivers that put them there."""
