// SPDX-License-Identifier: Apache-2.0
#include "bootstrap.h"

#include <errno.h>
#include <getopt.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>
#include <unistd.h>

#include <jansson.h>
#include <openssl/pem.h>

#include "pki.h"
#include "tls.h"

#define DIR_DEFAULT "/etc/isthmus"
#define NAMES_MAX   16

static const char usage[] =
	"Usage: isthmus-controller bootstrap [--dir DIR] [--name NAME]...\n"
	"       isthmus-controller token [--dir DIR]\n"
	"\n"
	"bootstrap makes the certificate authority, the controller's certificate for the NAMEs\n"
	"(DNS names and addresses by which clients and gateways reach it), the first\n"
	"administrator's certificate and controller.json, as far as they do not exist.\n"
	"token prints a single-use token, good for an hour, with which one gateway may join.\n";

struct options {
	const char *dir;
	const char *names[NAMES_MAX];
	size_t names_len;
};

static int read_options(int argc, char **argv, struct options *o)
{
	static const struct option words[] = {
		{"dir", required_argument, NULL, 'D'},
		{"name", required_argument, NULL, 'n'},
		{"help", no_argument, NULL, 'h'},
		{0},
	};
	int opt;

	*o = (struct options){.dir = DIR_DEFAULT};
	while ((opt = getopt_long(argc, argv, "D:n:h", words, NULL)) != -1) {
		if (opt == 'h') {
			fputs(usage, stdout);
			exit(0);
		} else if (opt == 'D') {
			o->dir = optarg;
		} else if (opt == 'n' && o->names_len < NAMES_MAX) {
			o->names[o->names_len++] = optarg;
		} else {
			fputs(usage, stderr);
			return -EINVAL;
		}
	}
	return 0;
}

static int admin_thumbprint(const char *dir, char *buf)
{
	char path[1024];
	X509 *cert;
	FILE *f;
	int rc;

	snprintf(path, sizeof(path), "%s/admin.pem", dir);
	f = fopen(path, "re");
	if (!f)
		return -errno;
	cert = PEM_read_X509(f, NULL, NULL, NULL);
	fclose(f);
	if (!cert)
		return -EBADMSG;
	rc = tls_thumbprint(cert, buf);
	X509_free(cert);
	return rc;
}

static int write_config(const char *dir)
{
	char path[1024], thumbprint[TLS_THUMBPRINT_SIZE];
	int rc = admin_thumbprint(dir, thumbprint);
	json_t *config;

	snprintf(path, sizeof(path), "%s/controller.json", dir);
	if (rc || !access(path, F_OK))
		return rc;
	config = json_pack("{s:s,s:s,s:s,s:[{s:s,s:s,s:s}]}", "certificate", "server.pem", "key",
		"server-key.pem", "ca", "ca.pem", "clients", "name", "admin", "thumbprint",
		thumbprint, "role", "admin");
	rc = json_dump_file(config, path, JSON_INDENT(2)) ? -EIO : 0;
	json_decref(config);
	return rc;
}

int bootstrap_main(int argc, char **argv)
{
	static const char *const fallback[] = {"localhost", "127.0.0.1", "::1"};
	struct options o;
	int rc = read_options(argc, argv, &o);

	if (rc)
		return 2;
	if (!o.names_len) {
		memcpy(o.names, fallback, sizeof(fallback));
		o.names_len = 3;
	}
	rc = pki_bootstrap(o.dir, o.names, o.names_len, time(NULL));
	if (!rc)
		rc = write_config(o.dir);
	if (rc) {
		fprintf(stderr, "isthmus-controller: bootstrap in %s: %s\n", o.dir, strerror(-rc));
		return 1;
	}
	printf("%s: ca.pem, server.pem, admin.pem (for `isthmus`) and controller.json are there\n",
		o.dir);
	return 0;
}

int token_main(int argc, char **argv)
{
	char token[PKI_TOKEN_SIZE];
	struct options o;
	int rc = read_options(argc, argv, &o);

	if (rc)
		return 2;
	rc = pki_token_new(o.dir, time(NULL), token);
	if (rc) {
		fprintf(stderr, "isthmus-controller: a token in %s: %s\n", o.dir, strerror(-rc));
		return 1;
	}
	printf("%s\n", token);
	return 0;
}
