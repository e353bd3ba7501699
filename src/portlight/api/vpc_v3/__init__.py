"""The VPC v3 dialect of traffic mirroring, as stock tools speak it."""
