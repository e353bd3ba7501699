"""Where the logs of our processes go."""

import logging


def log_to_stderr() -> None:
    """Write what happens to standard error, a line for each event."""
    logging.basicConfig(level=logging.INFO, format="%(asctime)s %(levelname)s %(name)s %(message)s")
    logging.getLogger("httpx").setLevel(logging.WARNING)
