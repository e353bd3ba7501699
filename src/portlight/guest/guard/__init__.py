"""Changes that cannot lock anybody out: checked before, taken back unless confirmed."""
