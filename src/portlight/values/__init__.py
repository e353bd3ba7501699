"""Addresses, prefixes, ranges and identifiers: what every room may use. Pure."""
