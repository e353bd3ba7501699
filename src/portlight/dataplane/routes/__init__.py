"""Routers: a namespace each, with legs, tables, peerings, advertisements; uplinks to the host."""
