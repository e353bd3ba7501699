"""The Prometheus text page: packets and drops per port, virtual IPs, and whether we live."""
