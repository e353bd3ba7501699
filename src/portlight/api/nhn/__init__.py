"""NHN's spelling of VPCs, route tables and ways out, beside the networking face."""
