"""Inside a guest: `http_ask.py ADDRESS PORT SECONDS` asks an HTTP server over one connection.

Prints the median time of a request and its answer in microseconds. Standard library only.
"""

import http.client
import sys
import time
from statistics import median


def main() -> None:
    """Ask one after the other until the time is over."""
    address, port, seconds = sys.argv[1], int(sys.argv[2]), float(sys.argv[3])
    connection = http.client.HTTPConnection(address, port, timeout=10)
    trips, end = [], time.monotonic() + seconds
    while time.monotonic() < end:
        begin = time.perf_counter()
        connection.request("HEAD", "/")
        connection.getresponse().read()
        trips.append(time.perf_counter() - begin)
    print(median(trips) * 1e6)


if __name__ == "__main__":
    main()
