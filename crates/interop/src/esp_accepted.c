/*
 * Preloaded into a daemon that has no ESP but the kernel's. A kernel without ESP, or without its
 * ciphers, refuses every SA with EPROTONOSUPPORT or ENOSYS, and the daemon ends the negotiation in
 * the middle. Here the refusal becomes success, so that IKE goes on as it does elsewhere. No packet
 * passes such a tunnel.
 */
#define _GNU_SOURCE
#include <dlfcn.h>
#include <errno.h>
#include <linux/netlink.h>
#include <stddef.h>
#include <sys/socket.h>

static int is_netlink(int fd)
{
	int domain = 0;
	socklen_t length = sizeof(domain);

	return getsockopt(fd, SOL_SOCKET, SO_DOMAIN, &domain, &length) == 0 && domain == AF_NETLINK;
}

static void accept_sa(int fd, void *buffer, ssize_t length)
{
	struct nlmsghdr *header = buffer;
	struct nlmsgerr *answer;

	if (length < (ssize_t)NLMSG_LENGTH(sizeof(*answer)) || !is_netlink(fd) ||
	    header->nlmsg_type != NLMSG_ERROR)
		return;
	answer = NLMSG_DATA(header);
	if (answer->error == -EPROTONOSUPPORT || answer->error == -ENOSYS)
		answer->error = 0;
}

ssize_t recv(int fd, void *buffer, size_t size, int flags)
{
	static ssize_t (*real)(int, void *, size_t, int);
	ssize_t length;

	if (real == NULL)
		real = dlsym(RTLD_NEXT, "recv");
	length = real(fd, buffer, size, flags);
	accept_sa(fd, buffer, length);
	return length;
}

ssize_t recvfrom(int fd, void *restrict buffer, size_t size, int flags,
		 struct sockaddr *restrict from, socklen_t *restrict from_length)
{
	static ssize_t (*real)(int, void *, size_t, int, struct sockaddr *, socklen_t *);
	ssize_t length;

	if (real == NULL)
		real = dlsym(RTLD_NEXT, "recvfrom");
	length = real(fd, buffer, size, flags, from, from_length);
	accept_sa(fd, buffer, length);
	return length;
}
