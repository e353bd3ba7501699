"""What one host must look like, as printable values; how two such values differ. Pure.

A plan knows ports, rules as numbers and prefixes, and kernel objects. It never knows a security
group, a project or a name of the API.
"""
