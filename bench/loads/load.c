/*
 * The loads that iperf3 does not make: small UDP packets and new TCP connections, as many as go.
 *
 *   load udp-receive ADDRESS PORT          count until 0.3 s of silence; print packets per second;
 *                                          the first packet is answered
 *   load udp-silent  ADDRESS PORT          the same without the answer
 *   load udp-send    ADDRESS PORT SECONDS  send 64-byte payloads in batches of 64
 *   load udp-pace    ADDRESS PORT SECONDS RATE
 *                                          send so many a second; print how many
 *   load udp-echo    ADDRESS PORT          answer every packet, until killed
 *   load udp-ask     ADDRESS PORT SECONDS  ask and wait for the answer, one after the other; print the
 *                                          median of the round trips in microseconds
 *   load vxlan-count ADDRESS PORT          decode copies until 0.3 s of silence; print how many UDP
 *                                          packets of 64-byte payload came out
 *   load tcp-accept  ADDRESS PORT          accept on 16 ports from PORT on, until killed
 *   load tcp-connect ADDRESS PORT SECONDS  print connections per second
 *
 * A connection is SYN, SYN-ACK, ACK, RST: the reset frees both ends at once, so that a run of any
 * length needs no more local ports than are in flight.
 */
#define _GNU_SOURCE
#include <arpa/inet.h>
#include <errno.h>
#include <netinet/tcp.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/epoll.h>
#include <sys/socket.h>
#include <time.h>
#include <unistd.h>

enum { BATCH = 64, PAYLOAD = 64, PORTS = 16, IN_FLIGHT = 64, EVENTS = 128 };

/* Seconds without a packet after which the receiver takes the run for over. */
static const double SILENCE = 0.3;

static void fail(const char *what)
{
	perror(what);
	exit(1);
}

static double now(void)
{
	struct timespec t;

	clock_gettime(CLOCK_MONOTONIC, &t);
	return (double)t.tv_sec + (double)t.tv_nsec / 1e9;
}

static struct sockaddr_in endpoint(const char *address, int port)
{
	struct sockaddr_in at = { .sin_family = AF_INET, .sin_port = htons((uint16_t)port) };

	if (inet_pton(AF_INET, address, &at.sin_addr) != 1) {
		fprintf(stderr, "%s is no IPv4 address\n", address);
		exit(1);
	}
	return at;
}

static void prepare(struct mmsghdr *batch, struct iovec *parts, char (*data)[PAYLOAD])
{
	for (int i = 0; i < BATCH; i++) {
		parts[i] = (struct iovec){ .iov_base = data[i], .iov_len = PAYLOAD };
		batch[i].msg_hdr = (struct msghdr){ .msg_iov = &parts[i], .msg_iovlen = 1 };
	}
}

static int bound_socket(struct sockaddr_in at)
{
	int s = socket(AF_INET, SOCK_DGRAM, 0), size = 64 << 20;

	if (s < 0 || bind(s, (struct sockaddr *)&at, sizeof(at)))
		fail("bind");
	setsockopt(s, SOL_SOCKET, SO_RCVBUFFORCE, &size, sizeof(size));
	puts("ready");
	fflush(stdout);
	return s;
}

static int connected_socket(struct sockaddr_in to)
{
	int s = socket(AF_INET, SOCK_DGRAM, 0);

	if (s < 0 || connect(s, (struct sockaddr *)&to, sizeof(to)))
		fail("connect");
	return s;
}

static int udp_pace(struct sockaddr_in to, double seconds, double rate)
{
	char data[PAYLOAD] = {};
	int s = connected_socket(to);
	double begin = now(), passed = 0;
	long packets = 0;

	for (; passed < seconds; passed = now() - begin) {
		while ((double)packets < passed * rate)
			packets += send(s, data, sizeof(data), 0) > 0;
		usleep(200);
	}
	printf("%ld\n", packets);
	return 0;
}

_Noreturn static void udp_echo(struct sockaddr_in at)
{
	struct sockaddr_in sender;
	char data[PAYLOAD];
	int s = bound_socket(at);

	for (;;) {
		socklen_t size = sizeof(sender);
		ssize_t n = recvfrom(s, data, sizeof(data), 0, (struct sockaddr *)&sender, &size);

		if (n > 0)
			sendto(s, data, (size_t)n, 0, (struct sockaddr *)&sender, size);
	}
}

static int ascending(const void *a, const void *b)
{
	const double *x = a, *y = b;

	return (*x > *y) - (*x < *y);
}

static int udp_ask(struct sockaddr_in to, double seconds)
{
	static double trips[1 << 20];
	struct timeval wait = { .tv_sec = 1 };
	char data[PAYLOAD] = {};
	int s = connected_socket(to);
	double end = now() + seconds;
	size_t done = 0;

	setsockopt(s, SOL_SOCKET, SO_RCVTIMEO, &wait, sizeof(wait));
	while (now() < end && done < sizeof(trips) / sizeof(*trips)) {
		double begin = now();

		if (send(s, data, sizeof(data), 0) > 0 && recv(s, data, sizeof(data), 0) > 0)
			trips[done++] = now() - begin;
	}
	qsort(trips, done, sizeof(*trips), ascending);
	printf("%.3f\n", done ? trips[done / 2] * 1e6 : 0);
	return 0;
}

/* VXLAN with a VNI (RFC 7348), and in it Ethernet, IPv4 of 20 bytes, UDP, the payload whole. */
static int is_copy(const unsigned char *data, ssize_t bytes)
{
	static const int ethernet = 8, ip = 22, udp = 42;

	return bytes == udp + 8 + PAYLOAD && data[0] == 0x08 && data[ethernet + 12] == 0x08 &&
	       data[ethernet + 13] == 0 && data[ip] == 0x45 && data[ip + 9] == IPPROTO_UDP &&
	       data[udp + 5] == 8 + PAYLOAD;
}

static int vxlan_count(struct sockaddr_in at)
{
	unsigned char data[2048];
	struct timeval wait = { .tv_sec = 10 };
	int s = bound_socket(at);
	long packets = 0;
	ssize_t n;

	for (;;) {
		setsockopt(s, SOL_SOCKET, SO_RCVTIMEO, &wait, sizeof(wait));
		n = recv(s, data, sizeof(data), 0);
		if (n <= 0)
			break;
		for (; n > 0; n = recv(s, data, sizeof(data), MSG_DONTWAIT))
			packets += is_copy(data, n);
		wait = (struct timeval){ .tv_usec = (suseconds_t)(SILENCE * 1e6) };
	}
	printf("%ld\n", packets);
	return 0;
}

static int udp_receive(struct sockaddr_in at, int answer)
{
	static char data[BATCH][PAYLOAD];
	static struct mmsghdr batch[BATCH];
	static struct iovec parts[BATCH];
	struct sockaddr_in sender;
	struct timeval wait = { .tv_sec = 10 };
	int s = bound_socket(at);
	double first = 0, last = 0;
	long packets = 0;

	setsockopt(s, SOL_SOCKET, SO_RCVTIMEO, &wait, sizeof(wait));
	prepare(batch, parts, data);
	batch[0].msg_hdr.msg_name = &sender;
	batch[0].msg_hdr.msg_namelen = sizeof(sender);
	for (;;) {
		int n = recvmmsg(s, batch, BATCH, MSG_WAITFORONE, NULL);

		if (n <= 0)
			break;
		last = now();
		if (!packets) {
			first = last;
			wait = (struct timeval){ .tv_usec = (suseconds_t)(SILENCE * 1e6) };
			setsockopt(s, SOL_SOCKET, SO_RCVTIMEO, &wait, sizeof(wait));
			if (answer)
				sendto(s, data, PAYLOAD, 0, (struct sockaddr *)&sender,
				       sizeof(sender));
		}
		packets += n;
	}
	printf("%.0f\n", last > first ? (double)packets / (last - first) : 0);
	return 0;
}

static int udp_send(struct sockaddr_in to, double seconds)
{
	static char data[BATCH][PAYLOAD];
	static struct mmsghdr batch[BATCH];
	static struct iovec parts[BATCH];
	int s = connected_socket(to);
	double end = now() + seconds;
	long packets = 0;

	prepare(batch, parts, data);
	while (now() < end) {
		int n = sendmmsg(s, batch, BATCH, 0);

		if (n > 0)
			packets += n;
		else if (errno != ENOBUFS && errno != ECONNREFUSED && errno != EPERM)
			fail("sendmmsg");
	}
	printf("%.0f\n", (double)packets / seconds);
	return 0;
}

_Noreturn static void tcp_accept(struct sockaddr_in at)
{
	struct epoll_event events[EVENTS];
	int ready = epoll_create1(0), yes = 1;

	for (int i = 0; i < PORTS; i++) {
		int s = socket(AF_INET, SOCK_STREAM | SOCK_NONBLOCK, 0);
		struct epoll_event wanted = { .events = EPOLLIN, .data.fd = s };

		setsockopt(s, SOL_SOCKET, SO_REUSEADDR, &yes, sizeof(yes));
		if (s < 0 || bind(s, (struct sockaddr *)&at, sizeof(at)) || listen(s, 4096))
			fail("listen");
		epoll_ctl(ready, EPOLL_CTL_ADD, s, &wanted);
		at.sin_port = htons((uint16_t)(ntohs(at.sin_port) + 1));
	}
	puts("ready");
	fflush(stdout);
	for (;;) {
		int n = epoll_wait(ready, events, EVENTS, -1);

		for (int i = 0; i < n; i++) {
			int c;

			while ((c = accept4(events[i].data.fd, NULL, NULL, SOCK_NONBLOCK)) >= 0)
				close(c);
		}
	}
}

static void begin_connection(int ready, struct sockaddr_in to)
{
	static int turn;
	struct linger reset = { .l_onoff = 1, .l_linger = 0 };
	int s = socket(AF_INET, SOCK_STREAM | SOCK_NONBLOCK, 0);
	struct epoll_event wanted = { .events = EPOLLOUT, .data.fd = s };

	if (s < 0)
		fail("socket");
	to.sin_port = htons((uint16_t)(ntohs(to.sin_port) + turn++ % PORTS));
	setsockopt(s, SOL_SOCKET, SO_LINGER, &reset, sizeof(reset));
	if (connect(s, (struct sockaddr *)&to, sizeof(to)) && errno != EINPROGRESS)
		fail("connect");
	epoll_ctl(ready, EPOLL_CTL_ADD, s, &wanted);
}

static int tcp_connect(struct sockaddr_in to, double seconds)
{
	struct epoll_event events[EVENTS];
	int ready = epoll_create1(0);
	double begin = now();
	long done = 0;

	for (int i = 0; i < IN_FLIGHT; i++)
		begin_connection(ready, to);
	while (now() < begin + seconds) {
		int n = epoll_wait(ready, events, EVENTS, 100);

		for (int i = 0; i < n; i++) {
			done += !(events[i].events & (EPOLLERR | EPOLLHUP));
			close(events[i].data.fd);
			begin_connection(ready, to);
		}
	}
	printf("%.0f\n", (double)done / (now() - begin));
	return 0;
}

int main(int argc, char **argv)
{
	struct sockaddr_in at;
	double seconds;

	if (argc < 4) {
		fprintf(stderr, "usage: load KIND ADDRESS PORT [SECONDS [RATE]]\n");
		return 2;
	}
	at = endpoint(argv[2], atoi(argv[3]));
	seconds = argc > 4 ? atof(argv[4]) : 1;
	if (!strcmp(argv[1], "udp-receive"))
		return udp_receive(at, 1);
	if (!strcmp(argv[1], "udp-silent"))
		return udp_receive(at, 0);
	if (!strcmp(argv[1], "udp-send"))
		return udp_send(at, seconds);
	if (!strcmp(argv[1], "udp-pace"))
		return udp_pace(at, seconds, argc > 5 ? atof(argv[5]) : 1000);
	if (!strcmp(argv[1], "udp-echo"))
		udp_echo(at);
	if (!strcmp(argv[1], "udp-ask"))
		return udp_ask(at, seconds);
	if (!strcmp(argv[1], "vxlan-count"))
		return vxlan_count(at);
	if (!strcmp(argv[1], "tcp-accept"))
		tcp_accept(at);
	if (!strcmp(argv[1], "tcp-connect"))
		return tcp_connect(at, seconds);
	fprintf(stderr, "%s is no load\n", argv[1]);
	return 2;
}
