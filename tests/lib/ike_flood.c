// SPDX-License-Identifier: Apache-2.0

// IKE_SA_INITs from random sources, for tests of a gateway under flood. Runs in the caller's
// network namespace, which a test makes.
//
//   ike_flood DEVICE GATEWAY_MAC DESTINATION RATE SECONDS SEED
//
// Each is a whole first message (RFC 7296 section 1.2): SA with one proposal, KE of group 31,
// nonce; its IPv4 source, port, SPI, public value and nonce are random. Prints how many were sent.

#include <arpa/inet.h>
#include <errno.h>
#include <net/if.h>
#include <netinet/ip.h>
#include <netinet/udp.h>
#include <netpacket/packet.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <time.h>
#include <unistd.h>

#define BATCH       64
#define SECONDS_MAX 600
#define IKE_SIZE    (28 + 40 + 40 + 36)
#define FRAME_SIZE  (14 + 20 + 8 + IKE_SIZE)

// From the IKE header on: AES-256-GCM, PRF SHA-256, X25519. What is random is filled in.
static const uint8_t init_message[IKE_SIZE] = {
	[16] = 33,
	[17] = 0x20,
	[18] = 34,
	[19] = 0x08,
	[26] = 0,
	[27] = IKE_SIZE,
	// SA: one proposal of three transforms
	[28] = 34,
	[31] = 40,
	[34] = 0,
	[35] = 36,
	[36] = 1,
	[37] = 1,
	[39] = 3,
	[40] = 3,
	[43] = 12,
	[44] = 1,
	[47] = 20,
	[48] = 0x80,
	[49] = 14,
	[50] = 1,
	[51] = 0,
	[52] = 3,
	[55] = 8,
	[56] = 2,
	[59] = 5,
	[60] = 0,
	[63] = 8,
	[64] = 4,
	[67] = 31,
	// KE follows at 68, nonce at 108
	[68] = 40,
	[71] = 40,
	[73] = 31,
	[108] = 0,
	[111] = 36,
};

static uint64_t state;

static uint64_t next_random(void)
{
	state ^= state << 13;
	state ^= state >> 7;
	state ^= state << 17;
	return state;
}

static void fill(uint8_t *to, size_t size)
{
	for (size_t i = 0; i < size; i++)
		to[i] = (uint8_t)(next_random() >> 32);
}

static uint16_t ip_checksum(const uint8_t *p)
{
	uint32_t sum = 0;

	for (int i = 0; i < 20; i += 2)
		sum += (uint32_t)(p[i] << 8 | p[i + 1]);
	sum = (sum & 0xffff) + (sum >> 16);
	return htons((uint16_t) ~((sum & 0xffff) + (sum >> 16)));
}

static void make_frame(uint8_t *frame, const uint8_t macs[12], in_addr_t destination)
{
	uint8_t *ip = frame + 14, *udp = ip + 20, *ike = udp + 8;
	const uint16_t size = htons(FRAME_SIZE - 14), udp_size = htons(8 + IKE_SIZE),
		       port = htons(500);
	uint16_t sum;

	memset(frame, 0, FRAME_SIZE);
	memcpy(frame, macs, 12);
	frame[12] = 0x08;
	ip[0] = 0x45;
	ip[8] = 64;
	ip[9] = IPPROTO_UDP;
	memcpy(ip + 2, &size, 2);
	fill(ip + 12, 4);
	ip[12] = (uint8_t)(11 + ip[12] % 100); // unicast, none of a test's own
	memcpy(ip + 16, &destination, 4);
	sum = ip_checksum(ip);
	memcpy(ip + 10, &sum, 2);
	fill(udp, 2);
	udp[0] |= 0x80;
	memcpy(udp + 2, &port, 2);
	memcpy(udp + 4, &udp_size, 2);
	memcpy(ike, init_message, IKE_SIZE);
	fill(ike, 8);
	fill(ike + 76, 32);
	fill(ike + 112, 32);
}

static double now_s(void)
{
	struct timespec ts;

	clock_gettime(CLOCK_MONOTONIC, &ts);
	return (double)ts.tv_sec + (double)ts.tv_nsec / 1e9;
}

static uint64_t flood(int fd, const uint8_t macs[12], in_addr_t to, double rate, double seconds)
{
	static uint8_t frames[BATCH][FRAME_SIZE];
	struct mmsghdr messages[BATCH] = {0};
	struct iovec parts[BATCH];
	double start = now_s(), now;
	uint64_t sent = 0;

	while ((now = now_s()) - start < seconds) {
		if ((double)sent > (now - start) * rate) {
			usleep(500);
			continue;
		}
		for (int i = 0; i < BATCH; i++) {
			make_frame(frames[i], macs, to);
			parts[i] = (struct iovec){frames[i], FRAME_SIZE};
			messages[i].msg_hdr.msg_iov = &parts[i];
			messages[i].msg_hdr.msg_iovlen = 1;
		}
		int n = sendmmsg(fd, messages, BATCH, 0);
		if (n > 0)
			sent += (uint64_t)n;
		else if (errno != ENOBUFS && errno != EAGAIN)
			break;
	}
	return sent;
}

int main(int argc, char **argv)
{
	struct sockaddr_ll at = {.sll_family = AF_PACKET, .sll_protocol = 0};
	uint8_t macs[12] = {[6] = 2, [11] = 0x66};
	in_addr_t to = argc == 7 ? inet_addr(argv[3]) : INADDR_NONE;
	unsigned m[6];
	int fd;

	if (argc != 7 || to == INADDR_NONE ||
		sscanf(argv[2], "%x:%x:%x:%x:%x:%x", m, m + 1, m + 2, m + 3, m + 4, m + 5) != 6 ||
		atof(argv[5]) > SECONDS_MAX) {
		fprintf(stderr,
			"usage: ike_flood DEVICE GATEWAY_MAC DESTINATION RATE SECONDS SEED\n");
		return 2;
	}
	for (int i = 0; i < 6; i++)
		macs[i] = (uint8_t)m[i];
	state = strtoull(argv[6], NULL, 10) * 0x9e3779b97f4a7c15u + 1;
	at.sll_ifindex = (int)if_nametoindex(argv[1]);
	fd = socket(AF_PACKET, SOCK_RAW, 0);
	if (fd < 0 || bind(fd, (struct sockaddr *)&at, sizeof(at)) < 0) {
		perror("ike_flood");
		return 1;
	}
	printf("%llu\n", (unsigned long long)flood(fd, macs, to, atof(argv[4]), atof(argv[5])));
	return 0;
}
