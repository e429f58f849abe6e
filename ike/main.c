// SPDX-License-Identifier: GPL-3.0-or-later
// isthmus-ike: IKEv2 for all connections of a gateway.
//
// Threads: this one runs the local socket and the link to the forwarder on a libevent loop;
// libcharon has its own. They meet in conn.c (connections, states), forwarder_sa.c (SAs) and
// punt_socket.c (datagrams), each with a lock of its own. The daemon needs no privilege: it opens
// no network socket, reads no configuration of libcharon's, starts no other program, and once it is
// ready makes no system call outside the list of sandbox.c.
//
// Its death stops no packet: SAs and policies stay in the forwarder. After a restart it finds them
// there, keeps their SPIs out of use, dials what it shall dial with INITIAL_CONTACT, awaits the
// others, and takes the old SAs of a connection away when its new ones are up.

#include <errno.h>
#include <getopt.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>

#include <daemon.h>
#include <event2/event.h>
#include <event2/thread.h>

#include "abi.h"
#include "backend.h"
#include "conn.h"
#include "control.h"
#include "dial_window.h"
#include "forwarder.h"
#include "forwarder_sa.h"
#include "gateway_net.h"
#include "listener.h"
#include "log.h"
#include "punt_socket.h"
#include "ring.h"
#include "sandbox.h"
#include "spi.h"

#define CHARON_THREADS 8

// hmac and sha2 before openssl, whose contexts are many times as large and slower to make.
static const char plugins[] = "random nonce sha1 sha2 hmac kdf openssl x509 pubkey pem pkcs1 pkcs8 "
			      "revocation constraints gmp curve25519 drbg isthmus";

static kernel_ipsec_t *ipsec_new(kernel_interface_t *unused)
{
	return forwarder_sa_create();
}

static bool register_all(void *plugin, plugin_feature_t *feature, bool reg, void *data)
{
	if (reg) {
		charon->backends->add_backend(charon->backends, backend_get());
		charon->bus->add_listener(charon->bus, listener_get());
		lib->credmgr->add_set(lib->credmgr, credentials_get());
	} else {
		lib->credmgr->remove_set(lib->credmgr, credentials_get());
		charon->bus->remove_listener(charon->bus, listener_get());
		charon->backends->remove_backend(charon->backends, backend_get());
	}
	return true;
}

static void add_features(void)
{
	static plugin_feature_t features[] = {
		PLUGIN_CALLBACK(kernel_ipsec_register, ipsec_new),
		PLUGIN_PROVIDE(CUSTOM, "kernel-ipsec"),
		PLUGIN_CALLBACK(kernel_net_register, gateway_net_create),
		PLUGIN_PROVIDE(CUSTOM, "kernel-net"),
		PLUGIN_CALLBACK(socket_register, punt_socket_create),
		PLUGIN_PROVIDE(CUSTOM, "socket"),
		PLUGIN_CALLBACK((plugin_feature_callback_t)register_all, NULL),
		PLUGIN_PROVIDE(CUSTOM, "isthmus"),
	};

	lib->plugins->add_static_features(
		lib->plugins, "isthmus", features, countof(features), TRUE, NULL, NULL);
}

// libcharon's settings, all of them: no file is read.
static void configure(void)
{
	static const struct {
		const char *name;
		int value;
	} ints[] = {
		{"charon.threads", CHARON_THREADS},
		{"charon.ikesa_table_size", 16384},
		{"charon.ikesa_table_segments", 64},
		// 1 s, 1.5 s, 2.25 s ...: a dead peer is noticed within about 13 s.
		{"charon.retransmit_tries", 4},
		{"charon.half_open_timeout", 15},
		// Cookies from here on; many peers may share one address behind a NAT, so that
		// the limits a single address are high. Zero in both would mean one, in 5.9.8.
		{"charon.cookie_threshold", 64},
		{"charon.cookie_threshold_ip", 1000},
		{"charon.block_threshold", 100000},
		{"charon.init_limit_half_open", 20000},
		{"charon.close_ike_on_child_failure", 0},
		{"charon.delete_rekeyed_delay", 5},
		{"charon.fragment_size", 1280},
	};

	for (size_t i = 0; i < countof(ints); i++)
		lib->settings->set_int(lib->settings, (char *)ints[i].name, ints[i].value);
	lib->settings->set_str(lib->settings, "charon.retransmit_timeout", "1.0");
	lib->settings->set_str(lib->settings, "charon.retransmit_base", "1.5");
	lib->settings->set_bool(lib->settings, "charon.install_routes", FALSE);
	lib->settings->set_bool(lib->settings, "charon.process_route", FALSE);
	lib->settings->set_bool(lib->settings, "charon.accept_private_algs", FALSE);
	lib->settings->set_bool(lib->settings, "charon.reuse_ikesa", FALSE); // spi.c does
	lib->settings->set_bool(lib->settings, "charon.make_before_break", TRUE);
	lib->settings->set_bool(lib->settings, "charon.prefer_configured_proposals", TRUE);
}

// libcharon starts without a plugin that is not installed; what is needed is asked for by name.
static bool has_algorithms(void)
{
	static const struct {
		encryption_algorithm_t alg;
		size_t key_size;
	} ciphers[] = {{ENCR_AES_CBC, 16}, {ENCR_AES_CBC, 32}, {ENCR_3DES, 24}};
	static const key_exchange_method_t groups[] = {
		MODP_2048_BIT, ECP_256_BIT, ECP_384_BIT, CURVE_25519};

	for (size_t i = 0; i < countof(ciphers); i++) {
		crypter_t *c = lib->crypto->create_crypter(
			lib->crypto, ciphers[i].alg, ciphers[i].key_size);

		if (!c) {
			log_error("no plugin of libstrongswan has cipher %d: install "
				  "libstrongswan-standard-plugins",
				ciphers[i].alg);
			return false;
		}
		c->destroy(c);
	}
	for (size_t i = 0; i < countof(groups); i++) {
		key_exchange_t *ke = lib->crypto->create_ke(lib->crypto, groups[i]);

		if (!ke) {
			log_error("no plugin of libstrongswan has Diffie-Hellman group %d",
				groups[i]);
			return false;
		}
		ke->destroy(ke);
	}
	return true;
}

static void set_log_levels(bool verbose)
{
	level_t levels[DBG_MAX];

	// Level 2 and above would show identities of every exchange; 4 would show keys.
	for (int i = 0; i < DBG_MAX; i++)
		levels[i] = verbose ? LEVEL_CTRL : LEVEL_AUDIT;
	charon->set_default_loggers(charon, levels, TRUE);
}

static void on_signal(evutil_socket_t sig, short what, void *ctx)
{
	event_base_loopbreak(ctx);
}

static int confine(void)
{
	int rc = sandbox_enter();

	if (rc < 0)
		log_error("confining this process to its system calls: %s", strerror(-rc));
	return rc;
}

static int run(const char *socket_path, const char *forwarder_path, bool verbose)
{
	struct event_base *base;
	struct event *term, *intr;
	int rc;

	conn_table_init();
	punt_socket_set_sender(forwarder_send);
	configure();
	add_features();
	set_log_levels(verbose);
	if (!charon->initialize(charon, (char *)plugins) || !has_algorithms()) {
		log_error("libcharon could not be started: a plugin is missing");
		return 1;
	}
	spi_init();
	lib->processor->set_threads(lib->processor, CHARON_THREADS);
	charon->start(charon);

	evthread_use_pthreads();
	base = event_base_new();
	term = evsignal_new(base, SIGTERM, on_signal, base);
	intr = evsignal_new(base, SIGINT, on_signal, base);
	event_add(term, NULL);
	event_add(intr, NULL);
	forwarder_init(base, forwarder_path);
	rc = control_init(base, socket_path);
	if (rc < 0)
		log_error("listening at %s: %s", socket_path, strerror(-rc));
	else
		rc = confine();
	if (rc == 0)
		log_info("ready at %s", socket_path);
	if (rc == 0)
		event_base_dispatch(base);
	control_fini();
	forwarder_fini();
	sandbox_report();
	event_free(term);
	event_free(intr);
	event_base_free(base);
	return rc < 0;
}

static void usage(FILE *to)
{
	fputs("usage: isthmus-ike --socket PATH --forwarder PATH [--verbose]\n"
	      "\n"
	      "IKEv2 daemon of an Isthmus gateway. Takes its connections over the local socket.\n"
	      "  --socket PATH     where to listen for the agent\n"
	      "  --forwarder PATH  the forwarder's local socket\n"
	      "  --verbose         log every exchange (no keys)\n"
	      "  --version         release, and the libcharon it was built for\n",
		to);
}

int main(int argc, char **argv)
{
	static const struct option options[] = {
		{"socket", required_argument, NULL, 's'},
		{"forwarder", required_argument, NULL, 'f'},
		{"verbose", no_argument, NULL, 'v'},
		{"version", no_argument, NULL, 'V'},
		{"help", no_argument, NULL, 'h'},
		{0},
	};
	const char *socket_path = NULL, *forwarder_path = NULL;
	bool verbose = false;
	int c, rc;

	while ((c = getopt_long(argc, argv, "", options, NULL)) >= 0) {
		switch (c) {
		case 's': socket_path = optarg; break;
		case 'f': forwarder_path = optarg; break;
		case 'v': verbose = true; break;
		case 'V': puts(abi_version()); return 0;
		case 'h': usage(stdout); return 0;
		default: usage(stderr); return 2;
		}
	}
	if (!socket_path || !forwarder_path) {
		usage(stderr);
		return 2;
	}
	log_init("isthmus-ike", verbose ? LOG_LEVEL_DEBUG : LOG_LEVEL_INFO);
	signal(SIGPIPE, SIG_IGN);
	if (abi_check() < 0)
		return 1;
	// No file: settings are set in configure().
	setenv("STRONGSWAN_CONF", "", 1);
	tzset(); // reads a file: none can be read later
	if (!library_init(NULL, "charon") || !libcharon_init()) {
		log_error("libcharon refused to initialise");
		return 1;
	}
	rc = run(socket_path, forwarder_path, verbose);
	libcharon_deinit();
	library_deinit();
	conn_table_fini();
	dial_window_fini();
	ring_fini();
	return rc;
}
