"""Instances: guests of kind namespace, with processes of their own and a real DHCP client."""
