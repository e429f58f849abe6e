// SPDX-License-Identifier: Apache-2.0

// export-peer: what the far end of an IPSec connection needs, in the far end's own language.
//
// Each product is a template with {names}; the algorithms' words come from one table a kind. A word
// that a product does not have is an error that says so. The secret is never in it: the API does
// not give it back, and the placeholder says where it goes.
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <strings.h>

#include "cli.h"
#include "export_peer.h"
#include "ipaddr.h"

#define LEN(a) (sizeof(a) / sizeof(*(a)))
#define SECRET "PUT-THE-SHARED-SECRET-HERE"

// An algorithm: as the API calls it, and as the products do, in the order of enum peer_product.
struct peer_word {
	const char *api;
	const char *product[PEER_PRODUCTS];
};

static const struct peer_word ike_ciphers[] = {
	{"DES3", {"3des", "3des", "3des", "3des-cbc", "3des", "3des", "3des", "DES3", "DES3"}},
	{"AES128", {"aes128", "aes128", "aes-cbc-128", "aes-128-cbc", "aes128", "aes128", "aes-128",
			   "AES128", "AES128"}},
	{"AES192", {"aes192", "aes192", "aes-cbc-192", "aes-192-cbc", "aes192", "aes192", "aes-192",
			   "AES192", "AES192"}},
	{"AES256", {"aes256", "aes256", "aes-cbc-256", "aes-256-cbc", "aes256", "aes256", "aes-256",
			   "AES256", "AES256"}},
};

static const struct peer_word ike_integrities[] = {
	{"SHA1", {"sha1", "sha1", "sha1", "sha1", "sha1", "sha1", "sha1", "SHA1", "SHA1"}},
	{"SHA256", {"sha256", "sha2_256", "sha256", "sha-256", "sha256", "sha256", "sha256",
			   "SHA256", "SHA256"}},
	{"SHA384", {"sha384", "sha2_384", "sha384", "sha-384", "sha384", "sha384", "sha384",
			   "SHA384", "SHA384"}},
};

static const struct peer_word ike_groups[] = {
	{"Group2", {"modp1024", "modp1024", "2", "group2", "2", "2", "modp1024", "Group2",
			   "DHGroup2"}},
	{"Group14", {"modp2048", "modp2048", "14", "group14", "14", "14", "modp2048", "Group14",
			    "DHGroup14"}},
	{"ECP256", {"ecp256", "dh19", "19", "group19", "19", "19", "ecp256", "ECP256", "ECP256"}},
	{"ECP384", {"ecp384", "dh20", "20", "group20", "20", "20", "ecp384", "ECP384", "ECP384"}},
	{"Group24", {"modp2048s256", "dh24", "24", "group24", NULL, "24", NULL, "Group24",
			    "DHGroup24"}},
};

// Empty: the product names no group when there is no PFS.
static const struct peer_word pfs_groups[] = {
	{"None", {"", "", "! no PFS", "", "set pfs disable", "disable", "none", "None", "None"}},
	{"PFS2", {"-modp1024", ";modp1024", "set pfs group2",
			 "set security ipsec policy isthmus perfect-forward-secrecy keys group2",
			 "set dhgrp 2", "dh-group2", "modp1024", "PFS2", "PFS2"}},
	{"PFS2048", {"-modp2048", ";modp2048", "set pfs group14",
			    "set security ipsec policy isthmus perfect-forward-secrecy keys "
			    "group14",
			    "set dhgrp 14", "dh-group14", "modp2048", "PFS2048", "PFS2048"}},
	{"PFS14", {"-modp2048", ";modp2048", "set pfs group14",
			  "set security ipsec policy isthmus perfect-forward-secrecy keys group14",
			  "set dhgrp 14", "dh-group14", "modp2048", "PFS2048", "PFS2048"}},
	{"ECP256", {"-ecp256", ";dh19", "set pfs group19",
			   "set security ipsec policy isthmus perfect-forward-secrecy keys group19",
			   "set dhgrp 19", "dh-group19", "ecp256", "ECP256", "ECP256"}},
	{"ECP384", {"-ecp384", ";dh20", "set pfs group20",
			   "set security ipsec policy isthmus perfect-forward-secrecy keys group20",
			   "set dhgrp 20", "dh-group20", "ecp384", "ECP384", "ECP384"}},
	{"PFS24", {"-modp2048s256", ";dh24", "set pfs group24",
			  "set security ipsec policy isthmus perfect-forward-secrecy keys group24",
			  NULL, "dh-group24", NULL, "PFS24", "PFS24"}},
};

static const struct peer_word esp_ciphers[] = {
	{"DES3", {"3des", "3des", "esp-3des", "3des-cbc", "3des", "3des", "3des", "DES3", "DES3"}},
	{"AES128", {"aes128", "aes128", "esp-aes 128", "aes-128-cbc", "aes128", "aes128",
			   "aes-128-cbc", "AES128", "AES128"}},
	{"AES192", {"aes192", "aes192", "esp-aes 192", "aes-192-cbc", "aes192", "aes192",
			   "aes-192-cbc", "AES192", "AES192"}},
	{"AES256", {"aes256", "aes256", "esp-aes 256", "aes-256-cbc", "aes256", "aes256",
			   "aes-256-cbc", "AES256", "AES256"}},
	{"GCMAES128", {"aes128gcm16", "aes_gcm128", "esp-gcm 128", "aes-128-gcm", "aes128gcm",
			      "aes128gcm128", "aes-128-gcm", "GCMAES128", "GCMAES128"}},
	{"GCMAES192", {"aes192gcm16", "aes_gcm192", "esp-gcm 192", "aes-192-gcm", NULL,
			      "aes192gcm128", "aes-192-gcm", "GCMAES192", "GCMAES192"}},
	{"GCMAES256", {"aes256gcm16", "aes_gcm256", "esp-gcm 256", "aes-256-gcm", "aes256gcm",
			      "aes256gcm128", "aes-256-gcm", "GCMAES256", "GCMAES256"}},
};

// With a GCM cipher the integrity's own words fall away.
static const struct peer_word esp_integrities[] = {
	{"SHA196", {"-sha1", "-sha1", " esp-sha-hmac", "authentication-algorithm hmac-sha1-96",
			   "-sha1", "sha1", "sha1", "SHA196", "SHA1"}},
	{"SHA256128", {"-sha256", "-sha2_256", " esp-sha256-hmac",
			      "authentication-algorithm hmac-sha-256-128", "-sha256", "sha256",
			      "sha256", "SHA256128", "SHA256"}},
	{"GCM", {"", "-null", "", "protocol esp", "", "sha256", "null", NULL, NULL}},
};

const char *const peer_products[PEER_PRODUCTS] = {"strongswan", "libreswan", "cisco-ios", "juniper",
	"fortios", "vyos", "mikrotik", "windows-rras", "azure"};

static const struct {
	const char *name;
	const struct peer_word *words;
	size_t len;
	const char *object, *member, *absent;
} algorithms[] = {
	{"ike.cipher", ike_ciphers, LEN(ike_ciphers), "mainMode", "encryptionAlgorithm", "DES3"},
	{"ike.integrity", ike_integrities, LEN(ike_integrities), "mainMode", "integrityAlgorithm",
		"SHA1"},
	{"ike.group", ike_groups, LEN(ike_groups), "mainMode", "diffieHellmanGroup", "Group2"},
	{"esp.cipher", esp_ciphers, LEN(esp_ciphers), "quickMode", "cipherTransformationConstant",
		"AES128"},
	{"esp.integrity", esp_integrities, LEN(esp_integrities), "quickMode",
		"authenticationTransformationConstant", "SHA196"},
	{"esp.pfs", pfs_groups, LEN(pfs_groups), "quickMode", "perfectForwardSecrecy", "None"},
};

// -- what a {name} stands for

struct peer_export {
	const json_t *properties, *ipsec;
	unsigned product;
	char site_id[256], vip_id[256];
	char *err;
	size_t err_size;
};

static const char *text_of(const json_t *object, const char *member, const char *absent)
{
	const char *text = json_string_value(model_member(object, member));

	return text && *text ? text : absent;
}

static int expand_algorithm(const struct peer_export *x, size_t i, FILE *out)
{
	const json_t *object = model_member(x->ipsec, algorithms[i].object);
	const char *api = text_of(object, algorithms[i].member, algorithms[i].absent);
	const char *cipher = text_of(
		model_member(x->ipsec, "quickMode"), "cipherTransformationConstant", "AES128");
	const char *word = NULL;

	if (algorithms[i].words == esp_integrities && !strncasecmp(cipher, "GCM", 3))
		api = "GCM";
	for (size_t w = 0; w < algorithms[i].len; w++) {
		if (!strcasecmp(algorithms[i].words[w].api, api))
			word = algorithms[i].words[w].product[x->product];
	}
	// The two from Microsoft name the GCM cipher as the integrity too.
	if (!word && !strcmp(api, "GCM"))
		word = cipher;
	if (!word) {
		snprintf(x->err, x->err_size, "%s.%s %s: %s has no word for it",
			algorithms[i].object, algorithms[i].member, api, peer_products[x->product]);
		return -1;
	}
	fputs(word, out);
	return 0;
}

// "10.0.0.0/24" of a range that is a prefix, else "first-last".
static void put_range(const json_t *ts, FILE *out)
{
	struct ip_addr first, last;
	char a[IP_TEXT_SIZE], b[IP_TEXT_SIZE];
	struct ip_prefix p;

	if (ip_parse(text_of(ts, "ipAddressStart", ""), &first) < 0 ||
		ip_parse(text_of(ts, "ipAddressEnd", ""), &last) < 0)
		return;
	for (unsigned len = 0; len <= ip_bits(&first); len++) {
		p = prefix_make(&first, len);
		if (!ip_equal(&p.addr, &first))
			continue;
		for (size_t i = 0; i < sizeof(p.addr.bytes); i++) {
			unsigned keep = len > i * 8 ? len - (unsigned)i * 8 : 0;

			if (i < ip_bits(&first) / 8 && keep < 8)
				p.addr.bytes[i] |= (uint8_t)(0xff >> keep);
		}
		if (ip_equal(&p.addr, &last)) {
			fprintf(out, "%s/%u", ip_format(&first, a), len);
			return;
		}
	}
	fprintf(out, "%s-%s", ip_format(&first, a), ip_format(&last, b));
}

static void put_selectors(const struct peer_export *x, const char *member, FILE *out)
{
	const json_t *list = model_member(x->ipsec, member), *ts;
	size_t i;

	if (!json_array_size(list))
		fputs("0.0.0.0/0", out);
	json_array_foreach ((json_t *)list, i, ts) {
		if (i)
			fputc(',', out);
		put_range(ts, out);
	}
}

static void put_number(const json_t *object, const char *member, json_int_t absent, FILE *out)
{
	const json_t *n = model_member(object, member);

	fprintf(out, "%" JSON_INTEGER_FORMAT, json_is_integer(n) ? json_integer_value(n) : absent);
}

static int expand(const struct peer_export *x, const char *name, FILE *out)
{
	const struct {
		const char *name, *text;
	} texts[] = {
		{"site", text_of(x->properties, "destinationIPAddress", "%any")},
		{"vip", text_of(x->properties, "sourceIPAddress", "")},
		{"site.id", x->site_id},
		{"vip.id", x->vip_id},
		{"secret", SECRET},
	};

	for (size_t i = 0; i < LEN(texts); i++) {
		if (!strcmp(texts[i].name, name)) {
			fputs(texts[i].text, out);
			return 0;
		}
	}
	for (size_t i = 0; i < LEN(algorithms); i++) {
		if (!strcmp(algorithms[i].name, name))
			return expand_algorithm(x, i, out);
	}
	// Theirs is ours mirrored.
	if (!strcmp(name, "site.ts"))
		put_selectors(x, "remoteVpnTrafficSelector", out);
	else if (!strcmp(name, "vip.ts"))
		put_selectors(x, "localVpnTrafficSelector", out);
	else if (!strcmp(name, "ike.life"))
		put_number(model_member(x->ipsec, "mainMode"), "saLifeTimeSeconds", 28800, out);
	else if (!strcmp(name, "esp.life"))
		put_number(model_member(x->ipsec, "quickMode"), "saLifeTimeSeconds", 3600, out);
	else if (!strcmp(name, "esp.life.kb"))
		put_number(
			model_member(x->ipsec, "quickMode"), "saLifeTimeKiloBytes", 33552408, out);
	return 0;
}

static int fill(const struct peer_export *x, const char *template, FILE *out)
{
	char name[32];
	int ret = 0;

	for (const char *p = template; *p && !ret; p++) {
		const char *end = *p == '{' ? strchr(p, '}') : NULL;
		size_t size = end ? (size_t)(end - p - 1) : 0;

		// Braces of the product's own language stand before a blank or a line's end.
		if (!end || !size || size >= sizeof(name) || strcspn(p + 1, " \n") < size) {
			fputc(*p, out);
			continue;
		}
		snprintf(name, sizeof(name), "%.*s", (int)size, p + 1);
		ret = expand(x, name, out);
		p = end;
	}
	return ret;
}

int peer_export(const json_t *resource, const char *product, FILE *out, char *err, size_t err_size)
{
	const json_t *properties = json_object_get(resource, "properties"), *isthmus;
	struct peer_export x = {.properties = properties, .err = err, .err_size = err_size};

	while (x.product < PEER_PRODUCTS && strcmp(peer_products[x.product], product) != 0)
		x.product++;
	x.ipsec = model_member(properties, "ipSecConfiguration");
	isthmus = model_member(properties, "isthmus");
	if (x.product == PEER_PRODUCTS)
		snprintf(err, err_size, "%s: not a product known here", product);
	else if (strcasecmp(text_of(properties, "connectionType", ""), "IPSec") != 0)
		snprintf(err, err_size, "connectionType: only IPSec connections have IKE peers");
	else if (strcasecmp(text_of(x.ipsec, "authenticationMethod", "PSK"), "PSK") != 0)
		snprintf(err, err_size,
			"authenticationMethod: only for PSK; certificates depend on the far end's "
			"CA");
	else if (!*text_of(properties, "sourceIPAddress", ""))
		snprintf(err, err_size,
			"sourceIPAddress: the gateway has no public address yet; wait until it is "
			"provisioned");
	else {
		snprintf(x.site_id, sizeof(x.site_id), "%s",
			text_of(isthmus, "peerIdentity",
				text_of(properties, "destinationIPAddress", "%any")));
		snprintf(x.vip_id, sizeof(x.vip_id), "%s",
			text_of(isthmus, "localIdentity",
				text_of(properties, "sourceIPAddress", "")));
		return fill(&x, peer_templates[x.product], out);
	}
	return -1;
}
