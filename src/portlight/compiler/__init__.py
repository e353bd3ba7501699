"""compile_host: from the domain to the plan of one host. Pure, total, deterministic."""
