// SPDX-License-Identifier: GPL-3.0-or-later
#include "sandbox.h"

#include <errno.h>
#include <fcntl.h>
#include <pthread.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <string.h>
#include <sys/socket.h>
#include <sys/wait.h>
#include <unistd.h>

#include <cmocka.h>

// Such a build is not confined.
static void skip_if_sanitized(void)
{
#ifdef __SANITIZE_ADDRESS__
	skip();
#endif
}

static void *opens_a_file(void *ctx)
{
	int *err = ctx;

	*err = open("/etc/hostname", O_RDONLY) < 0 ? errno : 0;
	return NULL;
}

// In a process of its own: what is once entered is never left. Returns how many steps went wrong.
static int confined(void)
{
	int wrong = 0, err = 0;
	pthread_t thread;

	wrong += sandbox_enter() != 0;
	opens_a_file(&err);
	wrong += err != EPERM;
	err = 0;
	wrong += pthread_create(&thread, NULL, opens_a_file, &err) == 0; // none is begun later
	wrong += socket(AF_INET, SOCK_DGRAM, 0) >= 0 || errno != EPERM;
	wrong += socket(AF_UNIX, SOCK_STREAM, 0) < 0;
	sandbox_report();
	return wrong;
}

static void what_is_not_listed_is_refused_counted_and_logged(void **state)
{
	char log[4096] = "";
	size_t used = 0;
	int ends[2], status;
	ssize_t n;
	pid_t child;

	skip_if_sanitized();
	assert_int_equal(pipe(ends), 0);
	child = fork();
	if (child == 0) {
		dup2(ends[1], STDERR_FILENO);
		_exit(confined());
	}
	close(ends[1]);
	while ((n = read(ends[0], log + used, sizeof(log) - 1 - used)) > 0)
		used += (size_t)n;
	close(ends[0]);
	assert_int_equal(waitpid(child, &status, 0), child);
	assert_true(WIFEXITED(status));
	assert_int_equal(WEXITSTATUS(status), 0);
	assert_non_null(strstr(log, "(openat) is not for this process: refused, 1 times"));
	assert_non_null(strstr(log, "(socket) is not for this process: refused, 1 times"));
}

// A thread that ran before is confined too.
struct worker {
	pthread_barrier_t entered;
	int err;
};

static void *works(void *ctx)
{
	struct worker *w = ctx;

	pthread_barrier_wait(&w->entered);
	opens_a_file(&w->err);
	return NULL;
}

static void threads_that_ran_before_are_confined(void **state)
{
	int status;
	pid_t child;

	skip_if_sanitized();
	child = fork();

	if (child == 0) {
		struct worker w = {.err = 0};
		pthread_t thread;

		pthread_barrier_init(&w.entered, NULL, 2);
		pthread_create(&thread, NULL, works, &w);
		if (sandbox_enter() != 0)
			_exit(2);
		pthread_barrier_wait(&w.entered);
		pthread_join(thread, NULL);
		_exit(w.err != EPERM);
	}
	assert_int_equal(waitpid(child, &status, 0), child);
	assert_true(WIFEXITED(status));
	assert_int_equal(WEXITSTATUS(status), 0);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(what_is_not_listed_is_refused_counted_and_logged),
		cmocka_unit_test(threads_that_ran_before_are_confined),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
