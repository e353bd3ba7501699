"""Portlight: a self-hosted cloud network on plain Linux."""
