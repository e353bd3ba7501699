"""The identity face: tokens, the catalog and the look-ups of the `openstack` command (v3)."""
