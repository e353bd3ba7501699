"""Tools that run inside a guest. Standard library only; imports nothing of ours."""
