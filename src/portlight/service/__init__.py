"""Use cases: authorise, load, ask the core, save. The transaction boundary. Knows no HTTP."""
