"""Identity: who asks, what for, and with which roles. `identity.py` is the door."""
