// SPDX-License-Identifier: GPL-3.0-or-later
#include "sandbox.h"

#include <errno.h>
#include <seccomp.h>
#include <signal.h>
#include <stdatomic.h>
#include <stdbool.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <ucontext.h>

#include "log.h"

#define REFUSED_MAX 512 // system call numbers that are told apart

static struct {
	atomic_uint total;
	atomic_uint of[REFUSED_MAX]; // by number; the last holds all beyond
	unsigned int told[REFUSED_MAX], told_total;
} refused;

// What strace saw of the tests, the calls that libc makes under load (madvise, mremap, sched_yield,
// sysinfo for qsort), and those of leaving.
static const int allowed[] = {
	SCMP_SYS(accept4),
	SCMP_SYS(brk),
	SCMP_SYS(clock_gettime),
	SCMP_SYS(clock_nanosleep),
	SCMP_SYS(close),
	SCMP_SYS(connect),
	SCMP_SYS(epoll_create1),
	SCMP_SYS(epoll_ctl),
	SCMP_SYS(epoll_pwait),
	SCMP_SYS(epoll_wait),
	SCMP_SYS(eventfd2),
	SCMP_SYS(exit),
	SCMP_SYS(exit_group),
	SCMP_SYS(fcntl),
	SCMP_SYS(futex),
	SCMP_SYS(getegid),
	SCMP_SYS(geteuid),
	SCMP_SYS(getgid),
	SCMP_SYS(getpid),
	SCMP_SYS(getrandom),
	SCMP_SYS(getsockopt),
	SCMP_SYS(gettid),
	SCMP_SYS(gettimeofday),
	SCMP_SYS(getuid),
	SCMP_SYS(madvise),
	SCMP_SYS(mmap),
	SCMP_SYS(mprotect),
	SCMP_SYS(mremap),
	SCMP_SYS(munmap),
	SCMP_SYS(nanosleep),
	SCMP_SYS(pipe2),
	SCMP_SYS(poll),
	SCMP_SYS(read),
	SCMP_SYS(readv),
	SCMP_SYS(recvfrom),
	SCMP_SYS(recvmsg),
	SCMP_SYS(restart_syscall),
	SCMP_SYS(rseq),
	SCMP_SYS(rt_sigaction),
	SCMP_SYS(rt_sigprocmask),
	SCMP_SYS(rt_sigreturn),
	SCMP_SYS(sched_yield),
	SCMP_SYS(sendmsg),
	SCMP_SYS(sendto),
	SCMP_SYS(set_robust_list),
	SCMP_SYS(shutdown),
	SCMP_SYS(sigaltstack),
	SCMP_SYS(sysinfo),
	SCMP_SYS(tgkill),
	SCMP_SYS(unlink),
	SCMP_SYS(write),
	SCMP_SYS(writev),
};

#ifndef SYS_SECCOMP
#define SYS_SECCOMP 1 // si_code, in <asm-generic/siginfo.h>
#endif

// On the thread that made the call, which goes on with EPERM.
static void on_refused(int sig, siginfo_t *info, void *context)
{
	ucontext_t *uc = context;
	unsigned int nr = (unsigned int)info->si_syscall;

	if (info->si_code != SYS_SECCOMP)
		return;
	atomic_fetch_add(&refused.of[nr < REFUSED_MAX - 1 ? nr : REFUSED_MAX - 1], 1);
	atomic_fetch_add(&refused.total, 1);
#if defined(__x86_64__)
	uc->uc_mcontext.gregs[REG_RAX] = -EPERM;
#elif defined(__aarch64__)
	uc->uc_mcontext.regs[0] = (unsigned long long)-EPERM;
#else
#error "where does this machine return what a system call gives?"
#endif
}

void sandbox_report(void)
{
	unsigned int total = atomic_load(&refused.total);

	if (total == refused.told_total)
		return;
	refused.told_total = total;
	for (int nr = 0; nr < REFUSED_MAX; nr++) {
		unsigned int count = atomic_load(&refused.of[nr]);
		char *name;

		if (count == refused.told[nr])
			continue;
		refused.told[nr] = count;
		name = seccomp_syscall_resolve_num_arch(SCMP_ARCH_NATIVE, nr);
		log_error("system call %d (%s) is not for this process: refused, %u times so far",
			nr, name ? name : "unknown", count);
		free(name);
	}
}

static int add_rules(scmp_filter_ctx ctx)
{
	int rc = 0;

	for (size_t i = 0; !rc && i < sizeof(allowed) / sizeof(allowed[0]); i++)
		rc = seccomp_rule_add(ctx, SCMP_ACT_ALLOW, allowed[i], 0);
	if (!rc) // the forwarder's socket, when it comes back
		rc = seccomp_rule_add(
			ctx, SCMP_ACT_ALLOW, SCMP_SYS(socket), 1, SCMP_A0(SCMP_CMP_EQ, AF_UNIX));
	// libc blocks signals while it begins a thread, so that the handler would not be reached:
	// it is refused as when there is no room, and who wanted the thread says so.
	if (!rc)
		rc = seccomp_rule_add(ctx, SCMP_ACT_ERRNO(EAGAIN), SCMP_SYS(clone3), 0);
	if (!rc)
		rc = seccomp_rule_add(ctx, SCMP_ACT_ERRNO(EAGAIN), SCMP_SYS(clone), 0);
	return rc;
}

int sandbox_enter(void)
{
	struct sigaction action = {.sa_sigaction = on_refused, .sa_flags = SA_SIGINFO | SA_NODEFER};
	scmp_filter_ctx ctx = seccomp_init(SCMP_ACT_TRAP);
	int rc;

	if (!ctx)
		return -ENOMEM;
#ifdef __SANITIZE_ADDRESS__
	// A sanitizer begins processes and reads files of its own, to the very end.
	seccomp_release(ctx);
	return 0;
#endif
	sigaction(SIGSYS, &action, NULL);
	rc = seccomp_attr_set(ctx, SCMP_FLTATR_CTL_TSYNC, 1); // all threads
	if (!rc)
		rc = add_rules(ctx);
	if (!rc)
		rc = seccomp_load(ctx);
	seccomp_release(ctx);
	return rc;
}
