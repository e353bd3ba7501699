"""Translation of addresses in a router: one nftables table of ours."""
