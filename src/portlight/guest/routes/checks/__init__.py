"""What can be wrong with the network of a server, a file for each family of faults. Pure."""
