"""Interfaces, tables and rules as the files of those who configure a server at boot. Pure."""
