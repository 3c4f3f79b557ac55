/* Prints, for each struct that package abi encodes, its name and its bytes,
 * filled with the values that layout_test.go uses. */
#define _GNU_SOURCE
#include <arpa/inet.h>
#include <net/if.h>
#include <netinet/in.h>
#include <poll.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <string.h>
#include <sys/socket.h>
#include <sys/time.h>
#include <time.h>

#include <linux/errqueue.h>
#include <linux/filter.h>
#include <linux/if_packet.h>
#include <linux/netlink.h>
#include <linux/tcp.h>

static void print(const char *name, const void *p, size_t n)
{
	const unsigned char *b = p;

	printf("%s ", name);
	for (size_t i = 0; i < n; i++)
		printf("%02x", b[i]);
	printf("\n");
}

#define PRINT(v) print(#v, &v, sizeof(v))

static void addresses(void)
{
	struct sockaddr_in sockaddr_in = { AF_INET, htons(0x1234) };
	struct sockaddr_in6 sockaddr_in6 = { AF_INET6, htons(0x1234), .sin6_scope_id = 7 };
	struct sockaddr_nl sockaddr_nl = { AF_NETLINK, 0, 0x11223344, 0x55667788 };
	struct sockaddr_ll sockaddr_ll = { AF_PACKET, htons(0x0806), 2, 3, 4, 6, { 2, 3, 4, 5, 6, 7 } };

	inet_pton(AF_INET, "1.2.3.4", &sockaddr_in.sin_addr);
	inet_pton(AF_INET6, "2001:db8:3:4:5:6:7:8", &sockaddr_in6.sin6_addr);
	PRINT(sockaddr_in);
	PRINT(sockaddr_in6);
	PRINT(sockaddr_nl);
	PRINT(sockaddr_ll);
}

static void packets(void)
{
	struct tpacket_hdr tpacket_hdr = { 0, 1, 2, 3, 4, 5, 6 };
	struct tpacket2_hdr tpacket2_hdr = { 0, 1, 2, 3, 4, 5, 6789 };
	struct tpacket_stats tpacket_stats = { 1, 2 };
	struct tpacket_auxdata tpacket_auxdata = { 1, 2, 3, 4, 5 };

	PRINT(tpacket_hdr);
	PRINT(tpacket2_hdr);
	PRINT(tpacket_stats);
	PRINT(tpacket_auxdata);
	/* Decoded only. */
	struct packet_mreq packet_mreq = { 1, 2, 6, { 0 } };
	struct tpacket_req tpacket_req = { 1, 2, 3, 4 };
	struct sock_fprog sock_fprog = { 1, (void *)0x1122334455667788 };

	PRINT(packet_mreq);
	PRINT(tpacket_req);
	PRINT(sock_fprog);
}

static void messages(void)
{
	struct msghdr msghdr;
	struct mmsghdr mmsghdr;
	struct iovec iovec;
	union {
		struct cmsghdr h;
		unsigned char b[CMSG_SPACE(3)];
	} c;

	memset(&msghdr, 0, sizeof(msghdr));
	msghdr.msg_name = (void *)0x1111222233334444;
	msghdr.msg_namelen = 16;
	msghdr.msg_iov = (void *)0x2222;
	msghdr.msg_iovlen = 3;
	msghdr.msg_control = (void *)0x4444;
	msghdr.msg_controllen = 5;
	msghdr.msg_flags = 6;
	PRINT(msghdr);

	memset(&c, 0, sizeof(c));
	c.h.cmsg_len = CMSG_LEN(3);
	c.h.cmsg_level = 1;
	c.h.cmsg_type = 2;
	memcpy(CMSG_DATA(&c.h), "\3\4\5", 3);
	print("cmsghdr", &c, sizeof(c));

	memset(&mmsghdr, 0, sizeof(mmsghdr));
	mmsghdr.msg_len = 0xabcdef01;
	PRINT(mmsghdr);
	iovec = (struct iovec){ (void *)1, 2 };
	PRINT(iovec);
}

static void options(void)
{
	struct timeval timeval = { 1, 2 };
	struct timespec timespec = { 3, 4 };
	struct linger linger = { 1, 2 };
	struct ucred ucred = { 1, 2, 3 };
	struct pollfd pollfd = { 1, 2, 3 };
	struct in_pktinfo in_pktinfo = { 1 };
	struct in6_pktinfo in6_pktinfo = { .ipi6_ifindex = 3 };

	inet_pton(AF_INET, "1.2.3.4", &in_pktinfo.ipi_spec_dst);
	inet_pton(AF_INET, "5.6.7.8", &in_pktinfo.ipi_addr);
	inet_pton(AF_INET6, "2001:db8:3:4:5:6:7:8", &in6_pktinfo.ipi6_addr);
	PRINT(timeval);
	PRINT(timespec);
	PRINT(linger);
	PRINT(ucred);
	PRINT(pollfd);
	PRINT(in_pktinfo);
	PRINT(in6_pktinfo);
}

static void multicast(void)
{
	struct in_addr in_addr;
	struct ip_mreq ip_mreq;
	struct ip_mreqn ip_mreqn;
	struct ip_mreq_source ip_mreq_source;
	struct ipv6_mreq ipv6_mreq;
	struct group_req group_req;
	struct group_source_req group_source_req;
	struct sockaddr_in group = { AF_INET }, source = { AF_INET };
	struct sockaddr_in6 group6 = { AF_INET6 };

	inet_pton(AF_INET, "1.2.3.4", &in_addr);
	ip_mreq.imr_multiaddr = group.sin_addr = in_addr;
	inet_pton(AF_INET, "5.6.7.8", &ip_mreq.imr_interface);
	source.sin_addr = ip_mreq.imr_interface;
	ip_mreqn = (struct ip_mreqn){ in_addr, ip_mreq.imr_interface, 3 };
	ip_mreq_source.imr_multiaddr = in_addr;
	ip_mreq_source.imr_interface = in_addr;
	ip_mreq_source.imr_sourceaddr = ip_mreq.imr_interface;
	inet_pton(AF_INET6, "2001:db8:3:4:5:6:7:8", &ipv6_mreq.ipv6mr_multiaddr);
	ipv6_mreq.ipv6mr_interface = 4;
	group6.sin6_addr = ipv6_mreq.ipv6mr_multiaddr;
	memset(&group_req, 0, sizeof(group_req));
	group_req.gr_interface = 5;
	memcpy(&group_req.gr_group, &group6, sizeof(group6));
	memset(&group_source_req, 0, sizeof(group_source_req));
	group_source_req.gsr_interface = 6;
	memcpy(&group_source_req.gsr_group, &group, sizeof(group));
	memcpy(&group_source_req.gsr_source, &source, sizeof(source));
	PRINT(in_addr);
	PRINT(ip_mreq);
	PRINT(ip_mreqn);
	PRINT(ip_mreq_source);
	PRINT(ipv6_mreq);
	PRINT(group_req);
	PRINT(group_source_req);
}

static void errors(void)
{
	struct sock_extended_err e = { 1, 2, 3, 4, 0, 6, { 7 } };
	struct {
		struct sock_extended_err e;
		struct sockaddr_in offender;
	} recverr4 = { e, { AF_INET } };
	struct {
		struct sock_extended_err e;
		struct sockaddr_in6 offender;
	} recverr6 = { e, { AF_INET6, .sin6_scope_id = 9 } };

	inet_pton(AF_INET, "1.2.3.4", &recverr4.offender.sin_addr);
	inet_pton(AF_INET6, "2001:db8:3:4:5:6:7:8", &recverr6.offender.sin6_addr);
	PRINT(recverr4);
	PRINT(recverr6);
}

static void interfaces(void)
{
	struct ifreq ifreq;
	struct ifconf ifconf;

	memset(&ifreq, 0, sizeof(ifreq));
	strcpy(ifreq.ifr_name, "eth0");
	ifreq.ifr_map = (struct ifmap){ 1, 2, 3, 4, 5, 6 };
	print("ifreq_map", &ifreq, sizeof(ifreq));
	memset(&ifreq, 0, sizeof(ifreq));
	strcpy(ifreq.ifr_name, "eth0");
	ifreq.ifr_flags = 0x1043;
	print("ifreq_flags", &ifreq, sizeof(ifreq));
	memset(&ifconf, 0, sizeof(ifconf));
	ifconf.ifc_len = 80;
	ifconf.ifc_buf = (void *)0x1122334455667788;
	PRINT(ifconf);
}

/* Each field from offset 8 on holds, 32 bits at a time, the offset at which
 * it lies; the fields are assigned by name so that the compiler places them. */
static uint64_t wide(size_t at) { return at | (uint64_t)(at + 4) << 32; }

#define NARROW(f) i.f = offsetof(struct tcp_info, f)
#define WIDE(f) i.f = wide(offsetof(struct tcp_info, f))

static void tcp(void)
{
	struct tcp_info i = { 1, 2, 3, 4, 5, 6 };

	i.tcpi_snd_wscale = 7;
	i.tcpi_rcv_wscale = 0;
	i.tcpi_delivery_rate_app_limited = 0;
	i.tcpi_fastopen_client_fail = 0;
	((unsigned char *)&i)[7] = 8;
	NARROW(tcpi_rto);
	NARROW(tcpi_ato);
	NARROW(tcpi_snd_mss);
	NARROW(tcpi_rcv_mss);
	NARROW(tcpi_unacked);
	NARROW(tcpi_sacked);
	NARROW(tcpi_lost);
	NARROW(tcpi_retrans);
	NARROW(tcpi_fackets);
	NARROW(tcpi_last_data_sent);
	NARROW(tcpi_last_ack_sent);
	NARROW(tcpi_last_data_recv);
	NARROW(tcpi_last_ack_recv);
	NARROW(tcpi_pmtu);
	NARROW(tcpi_rcv_ssthresh);
	NARROW(tcpi_rtt);
	NARROW(tcpi_rttvar);
	NARROW(tcpi_snd_ssthresh);
	NARROW(tcpi_snd_cwnd);
	NARROW(tcpi_advmss);
	NARROW(tcpi_reordering);
	NARROW(tcpi_rcv_rtt);
	NARROW(tcpi_rcv_space);
	NARROW(tcpi_total_retrans);
	WIDE(tcpi_pacing_rate);
	WIDE(tcpi_max_pacing_rate);
	WIDE(tcpi_bytes_acked);
	WIDE(tcpi_bytes_received);
	NARROW(tcpi_segs_out);
	NARROW(tcpi_segs_in);
	NARROW(tcpi_notsent_bytes);
	NARROW(tcpi_min_rtt);
	NARROW(tcpi_data_segs_in);
	NARROW(tcpi_data_segs_out);
	WIDE(tcpi_delivery_rate);
	WIDE(tcpi_busy_time);
	WIDE(tcpi_rwnd_limited);
	WIDE(tcpi_sndbuf_limited);
	NARROW(tcpi_delivered);
	NARROW(tcpi_delivered_ce);
	WIDE(tcpi_bytes_sent);
	WIDE(tcpi_bytes_retrans);
	NARROW(tcpi_dsack_dups);
	NARROW(tcpi_reord_seen);
	NARROW(tcpi_rcv_ooopack);
	NARROW(tcpi_snd_wnd);
	print("tcp_info", &i, offsetof(struct tcp_info, tcpi_snd_wnd) + 4);
}

static void constants(void)
{
	int constants[] = { TCPI_OPT_TIMESTAMPS, TCPI_OPT_SACK, TCPI_OPT_WSCALE, TCPI_OPT_ECN, TCPI_OPT_ECN_SEEN,
			    TCPI_OPT_SYN_DATA };

	PRINT(constants);
}

int main(void)
{
	constants();
	addresses();
	packets();
	messages();
	options();
	multicast();
	errors();
	interfaces();
	tcp();
	return 0;
}
