"""The networking face: Neutron v2.0, with its own field names, statuses and error bodies."""
