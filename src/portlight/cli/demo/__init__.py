"""The demonstration: a small network with real guests, and claims that packets prove."""
