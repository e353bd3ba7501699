"""DHCP, DNS and router advertisements: one dnsmasq per network, in a namespace of its own."""
