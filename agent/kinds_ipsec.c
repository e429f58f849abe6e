// SPDX-License-Identifier: Apache-2.0

// An IPSec connection's part for isthmus-ike: the API's words for algorithms as IANA "IKEv2
// Parameters" numbers, selectors, lifetimes, identities; and its credentials.

#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <strings.h>

#include "ike.h"
#include "kinds.h"
#include "kinds_ipsec.h"
#include "objects.h"
#include "pem.h"
#include "proto.h"
#include "sa.h"

#define DPD_S      30
#define WINDOW     1024
#define LIFE_S_MIN 60

enum { AUTH_HMAC_SHA2_384 = 13, PRF_NONE = 0 };
enum { DH_MODP1024 = 2, DH_MODP2048 = 14, DH_ECP256 = 19, DH_ECP384 = 20, DH_MODP2048_256 = 24 };

// A word of the API. `refused` words are known only for the refusal to say why.
struct algorithm {
	const char *name;
	uint16_t id, bits;
	const char *weak;
	const char *refused;
};

static const char no_des[] = "56-bit keys are broken by anybody (RFC 8247); use AES256";
static const char no_md5[] = "MD5 must not be used (RFC 8247); use SHA256";
static const char no_group1[] = "768-bit keys are broken (RFC 8247); use Group14 or ECP384";
static const char weak_3des[] = "3DES is weak (64-bit blocks, RFC 8221); use AES256";
static const char weak_sha1[] = "SHA-1 is weak (RFC 8247); use SHA256";
static const char weak_group2[] = "Group2 (1024 bits) is weak (RFC 8247); use Group14 or ECP384";
static const char weak_group24[] = "Group24 is not trusted (RFC 8247); use Group14 or ECP384";

static const struct algorithm groups[] = {
	{"Group1", 1, 0, NULL, no_group1},
	{"Group2", DH_MODP1024, 0, weak_group2, NULL},
	{"Group14", DH_MODP2048, 0, NULL, NULL},
	{"ECP256", DH_ECP256, 0, NULL, NULL},
	{"ECP258", DH_ECP256, 0, NULL, NULL}, // as the published schema spells it
	{"ECP384", DH_ECP384, 0, NULL, NULL},
	{"Group24", DH_MODP2048_256, 0, weak_group24, NULL},
	{0},
};

static const struct algorithm main_integrity[] = {
	{"MD5", API_INTEGRITY_HMAC_MD5_96, 0, NULL, no_md5},
	{"SHA1", API_INTEGRITY_HMAC_SHA1_96, 0, weak_sha1, NULL},
	{"SHA196", API_INTEGRITY_HMAC_SHA1_96, 0, weak_sha1, NULL},
	{"SHA256", API_INTEGRITY_HMAC_SHA2_256_128, 0, NULL, NULL},
	{"SHA384", AUTH_HMAC_SHA2_384, 0, NULL, NULL},
	{0},
};

static const struct algorithm main_ciphers[] = {
	{"DES", API_CIPHER_DES, 0, NULL, no_des},
	{"DES3", API_CIPHER_3DES, 0, weak_3des, NULL},
	{"AES128", API_CIPHER_AES_CBC, 128, NULL, NULL},
	{"AES192", API_CIPHER_AES_CBC, 192, NULL, NULL},
	{"AES256", API_CIPHER_AES_CBC, 256, NULL, NULL},
	{0},
};

// PFSMM: the main mode's own group.
#define PFS_MAIN_MODE 0xffff
static const struct algorithm pfs_groups[] = {
	{"None", 0, 0, NULL, NULL},
	{"PFS1", 1, 0, NULL, no_group1},
	{"PFS2", DH_MODP1024, 0, weak_group2, NULL},
	{"PFS2048", DH_MODP2048, 0, NULL, NULL},
	{"PFS14", DH_MODP2048, 0, NULL, NULL},
	{"ECP256", DH_ECP256, 0, NULL, NULL},
	{"ECP384", DH_ECP384, 0, NULL, NULL},
	{"PFSMM", PFS_MAIN_MODE, 0, NULL, NULL},
	{"PFS24", DH_MODP2048_256, 0, weak_group24, NULL},
	{0},
};

static const char no_null[] = "packets must be encrypted; use AES256 or GCMAES256";

static const struct algorithm quick_ciphers[] = {
	{"None", API_CIPHER_NULL, 0, NULL, no_null},
	{"DES", API_CIPHER_DES, 0, NULL, no_des},
	{"CBCDES", API_CIPHER_DES, 0, NULL, no_des},
	{"DES3", API_CIPHER_3DES, 0, weak_3des, NULL},
	{"CBCDES3", API_CIPHER_3DES, 0, weak_3des, NULL},
	{"AES128", API_CIPHER_AES_CBC, 128, NULL, NULL},
	{"AES192", API_CIPHER_AES_CBC, 192, NULL, NULL},
	{"AES256", API_CIPHER_AES_CBC, 256, NULL, NULL},
	{"AES128CBC", API_CIPHER_AES_CBC, 128, NULL, NULL},
	{"AES192CBC", API_CIPHER_AES_CBC, 192, NULL, NULL},
	{"AES256CBC", API_CIPHER_AES_CBC, 256, NULL, NULL},
	{"GCMAES128", API_CIPHER_AES_GCM_16, 128, NULL, NULL},
	{"GCMAES192", API_CIPHER_AES_GCM_16, 192, NULL, NULL},
	{"GCMAES256", API_CIPHER_AES_GCM_16, 256, NULL, NULL},
	{0},
};

// GCM words: the cipher brings its own integrity; bits must then be the cipher's.
static const struct algorithm quick_integrity[] = {
	{"None", API_INTEGRITY_NONE, 0, NULL, NULL},
	{"MD596", API_INTEGRITY_HMAC_MD5_96, 0, NULL, no_md5},
	{"SHA196", API_INTEGRITY_HMAC_SHA1_96, 0, weak_sha1, NULL},
	{"SHA256128", API_INTEGRITY_HMAC_SHA2_256_128, 0, NULL, NULL},
	{"SHA256", API_INTEGRITY_HMAC_SHA2_256_128, 0, NULL, NULL},
	{"GCMAES128", API_INTEGRITY_NONE, 128, NULL, NULL},
	{"GCMAES192", API_INTEGRITY_NONE, 192, NULL, NULL},
	{"GCMAES256", API_INTEGRITY_NONE, 256, NULL, NULL},
	{0},
};

static const struct algorithm none;

// Where an algorithm is read, and what is thought of weak ones.
struct reading {
	struct json_reader *r;
	const char *mode;              // "mainMode"
	struct contribution_list *out; // gets the warnings
	bool refuse_weak;
};

static void add_warning(
	struct contribution_list *out, const char *mode, const char *member, const char *text)
{
	size_t size = strlen(out->warning);

	snprintf(out->warning + size, sizeof(out->warning) - size, "%s%s.%s: %s", size ? "; " : "",
		mode, member, text);
}

// A tunnel that came up before it was forbidden shall not stay: it is disabled.
static void add_refusal(struct contribution_list *out, const char *mode, const char *member,
	const char *name, const char *text)
{
	if (!*out->refusal)
		snprintf(out->refusal, sizeof(out->refusal),
			"%s.%s %.20s: %s, or clear isthmus.refuseWeakCiphers of the gateway pool",
			mode, member, name, text);
}

static void judge(
	const struct reading *of, const char *member, const char *name, const struct algorithm *alg)
{
	if (alg->refused)
		json_reader_fail(of->r, "%s %.20s: %s", member, name, alg->refused);
	else if (alg->weak && of->refuse_weak)
		add_refusal(of->out, of->mode, member, name, alg->weak);
	else if (alg->weak)
		add_warning(of->out, of->mode, member, alg->weak);
}

// The algorithm that a member names, or the one that stands for its absence.
static const struct algorithm *read_algorithm(const struct reading *of, const char *member,
	const struct algorithm *table, const char *absent)
{
	const char *text = json_get_text(of->r, member);

	if (!*text)
		text = absent;
	for (; table->name; table++) {
		if (strcasecmp(table->name, text))
			continue;
		judge(of, member, text, table);
		return table;
	}
	json_reader_fail(of->r, "%s: %.50s is unknown here", member, text);
	return &none;
}

static uint32_t read_life(struct json_reader *r, uint32_t absent)
{
	uint32_t life = (uint32_t)json_get_uint(r, "saLifeTimeSeconds", UINT32_MAX);

	if (life && life < LIFE_S_MIN)
		json_reader_fail(r, "saLifeTimeSeconds: %u is less than %d", life, LIFE_S_MIN);
	return life ? life : absent;
}

// A member object, or an empty one in its absence.
static void sub_reader(
	struct json_reader *r, const char *name, json_t *empty, struct json_reader *ret)
{
	const json_t *object = json_get_object(r, name);

	json_reader_init(ret, object ? object : empty);
}

static void take_failure(struct json_reader *r, const char *name, const struct json_reader *sub)
{
	if (sub->failed)
		json_reader_fail(r, "%s.%.100s", name, sub->text);
}

static void read_main_mode(
	struct json_reader *r, struct reading of, json_t *empty, struct api_ike_conn *conn)
{
	const struct algorithm *group, *integrity, *cipher;
	struct json_reader m;

	of.r = &m;
	of.mode = "mainMode";
	sub_reader(r, "mainMode", empty, &m);
	group = read_algorithm(&of, "diffieHellmanGroup", groups, "Group2");
	integrity = read_algorithm(&of, "integrityAlgorithm", main_integrity, "SHA1");
	cipher = read_algorithm(&of, "encryptionAlgorithm", main_ciphers, "DES3");
	conn->ike_life_s = read_life(&m, 28800);
	conn->proposal[0] = (struct api_ike_proposal){.encr = cipher->id,
		.encr_bits = cipher->bits,
		.integ = integrity->id,
		.prf = PRF_NONE, // the one of the integrity algorithm
		.dh = group->id};
	conn->proposal_count = 1;
	take_failure(r, "mainMode", &m);
}

static void check_quick_pair(
	struct json_reader *q, const struct algorithm *cipher, const struct algorithm *integrity)
{
	bool combined = cipher->id == API_CIPHER_AES_GCM_16;

	if (!combined && !integrity->id && !q->failed)
		json_reader_fail(q,
			"authenticationTransformationConstant: %s needs one, as SHA256128",
			cipher->name);
	if (combined && integrity->bits && integrity->bits != cipher->bits)
		json_reader_fail(q, "authenticationTransformationConstant: %s does not go with %s",
			integrity->name, cipher->name);
}

static void read_quick_mode(
	struct json_reader *r, struct reading of, json_t *empty, struct api_ike_conn *conn)
{
	const struct algorithm *pfs, *integrity, *cipher;
	struct json_reader q;

	of.r = &q;
	of.mode = "quickMode";
	sub_reader(r, "quickMode", empty, &q);
	pfs = read_algorithm(&of, "perfectForwardSecrecy", pfs_groups, "None");
	cipher = read_algorithm(&of, "cipherTransformationConstant", quick_ciphers, "AES128");
	integrity = read_algorithm(
		&of, "authenticationTransformationConstant", quick_integrity, "SHA196");
	check_quick_pair(&q, cipher, integrity);
	conn->child_life_s = read_life(&q, 3600);
	conn->child_life_kb = json_get_uint(&q, "saLifeTimeKiloBytes", UINT32_MAX);
	conn->idle_s = (uint32_t)json_get_uint(&q, "idleDisconnectSeconds", UINT32_MAX);
	conn->child_proposal[0] = (struct api_ike_proposal){.encr = cipher->id,
		.encr_bits = cipher->bits,
		.integ = cipher->id == API_CIPHER_AES_GCM_16 ? 0 : integrity->id,
		.dh = pfs->id == PFS_MAIN_MODE ? conn->proposal[0].dh : pfs->id};
	conn->child_proposal_count = 1;
	take_failure(r, "quickMode", &q);
}

static void read_selector(struct json_reader *s, struct api_ike_selector *ts)
{
	const json_t *end = json_object_get(s->object, "portEnd");

	ts->start = json_get_ip(s, "ipAddressStart");
	ts->end = json_get_ip(s, "ipAddressEnd");
	ts->protocol = (uint8_t)json_get_uint(s, "protocolId", UINT8_MAX);
	ts->port_start = (uint16_t)json_get_uint(s, "portStart", UINT16_MAX);
	ts->port_end = end ? (uint16_t)json_get_uint(s, "portEnd", UINT16_MAX) : UINT16_MAX;
	if (ts->start.family == IP_NONE || ts->start.family != ts->end.family ||
		ip_compare(&ts->start, &ts->end) > 0)
		json_reader_fail(s, "ipAddressStart to ipAddressEnd is no range");
	if (ts->port_start > ts->port_end)
		json_reader_fail(s, "portStart to portEnd is no range");
}

static uint8_t read_selectors(struct json_reader *r, const char *name, struct api_ike_selector *dst)
{
	const json_t *list = json_get_array(r, name), *entry;
	struct json_reader s;
	size_t i;

	if (json_array_size(list) > API_IKE_SELECTORS) {
		json_reader_fail(r, "%s: more than %d", name, API_IKE_SELECTORS);
		return 0;
	}
	json_array_foreach ((json_t *)list, i, entry) {
		json_reader_init(&s, entry);
		read_selector(&s, &dst[i]);
		if (s.failed)
			json_reader_fail(r, "%s[%zu].%.80s", name, i, s.text);
	}
	return (uint8_t)json_array_size(list);
}

static void read_identity(struct json_reader *r, const char *name, char *dst)
{
	const char *text = json_get_text(r, name);

	if (strlen(text) >= API_IKE_ID_SIZE)
		json_reader_fail(r, "%s: longer than %d", name, API_IKE_ID_SIZE - 1);
	snprintf(dst, API_IKE_ID_SIZE, "%s", text);
}

static void read_ipsec(struct json_reader *r, struct reading of, struct api_ike_conn *ike)
{
	static const char *const methods[] = {"PSK", "Certificates", NULL}; // as enum api_ike_auth
	json_t *empty = json_object();

	ike->auth = json_get_word(r, "authenticationMethod", methods);
	if (!ike->auth)
		ike->auth = API_IKE_AUTH_PSK;
	read_main_mode(r, of, empty, ike);
	read_quick_mode(r, of, empty, ike);
	ike->local_ts_count = read_selectors(r, "localVpnTrafficSelector", ike->local_ts);
	ike->remote_ts_count = read_selectors(r, "remoteVpnTrafficSelector", ike->remote_ts);
	read_identity(r, "localIdentity", ike->local_id);
	read_identity(r, "peerIdentity", ike->remote_id);
	json_decref(empty);
}

// We dial whom we know the address of, unless told otherwise.
static uint32_t read_flags(struct json_reader *r, const struct api_conn *conn)
{
	const json_t *initiate = json_object_get(r->object, "initiator");
	bool dial = conn->remote.family != IP_NONE;
	uint32_t flags = conn->flags & API_CONN_F_ENABLED ? API_IKE_F_ENABLED : 0;

	if (initiate && !json_is_null(initiate))
		dial &= json_get_bool(r, "initiator");
	return flags | (dial ? API_IKE_F_INITIATE : 0);
}

void kinds_add_ike(
	struct json_reader *r, const struct api_conn *conn, struct contribution_list *out)
{
	const json_t *ipsec = json_get_object(r, "ipsec");
	struct api_ike_conn ike = {.conn = conn->conn,
		.vrf = conn->vrf,
		.slot = conn->slot,
		.local = conn->local,
		.remote = conn->remote,
		.dpd_s = DPD_S,
		.replay_window = WINDOW};
	struct reading of = {.out = out};
	struct json_reader i;

	if (!ipsec) {
		json_reader_fail(r, "ipsec: missing");
		return;
	}
	json_reader_init(&i, ipsec);
	ike.flags = read_flags(&i, conn);
	memcpy(ike.name, conn->name, sizeof(ike.name));
	of.refuse_weak = json_get_bool(r, "refuseWeak");
	read_ipsec(&i, of, &ike);
	if (*out->refusal)
		ike.flags &= ~(uint32_t)API_IKE_F_ENABLED;
	if (ike.remote.family == IP_NONE && !ike.remote_id[0])
		json_reader_fail(&i, "peerIdentity: needed where no destinationIPAddress is given");
	if (i.failed)
		json_reader_fail(r, "ipsec.%.110s", i.text);
	contribution_add(out, desired_type_find(API_TYPE_IKE_CONN), &ike, sizeof(ike));
}

// -- credentials

// Those of one type, in the order they come.
struct credential_list {
	struct api_ike_credential c;
	struct contribution_list *out;
	struct json_reader *r;
};

static void add_credential(void *ctx, const uint8_t *bytes, size_t size)
{
	struct credential_list *list = ctx;

	if (!size || size > API_IKE_SECRET_SIZE) {
		json_reader_fail(
			list->r, "a credential of at most %d bytes is needed", API_IKE_SECRET_SIZE);
		return;
	}
	memcpy(list->c.secret, bytes, size);
	list->c.secret_size = (uint32_t)size;
	contribution_add(list->out, desired_type_find(API_TYPE_IKE_CREDENTIAL), &list->c,
		offsetof(struct api_ike_credential, secret) + size);
	explicit_bzero(list->c.secret, size);
	list->c.index++;
}

static void add_pem(struct credential_list *list, enum api_ike_credential_type type,
	enum pem_kind kind, const char *name, const char *text)
{
	char err[96];

	if (list->c.type != type)
		list->c.index = 0;
	list->c.type = (uint16_t)type;
	if (text && *text && pem_each(text, kind, add_credential, list, err, sizeof(err)) < 0)
		json_reader_fail(list->r, "%s: %s", name, err);
}

static void add_pems(struct credential_list *list, enum api_ike_credential_type type,
	enum pem_kind kind, const char *name)
{
	const json_t *all = json_get_array(list->r, name), *one;
	size_t i;

	json_array_foreach ((json_t *)all, i, one)
		add_pem(list, type, kind, name, json_string_value(one));
}

static void add_x509(struct credential_list *list)
{
	struct json_reader *r = list->r;

	add_pem(list, API_IKE_CRED_CERTIFICATE, PEM_CERTIFICATE, "certificates",
		json_get_text(r, "certificates"));
	add_pem(list, API_IKE_CRED_KEY, PEM_PRIVATE_KEY, "privateKey",
		json_get_text(r, "privateKey"));
	add_pems(list, API_IKE_CRED_CA, PEM_CERTIFICATE, "authorities");
	add_pems(list, API_IKE_CRED_CRL, PEM_CRL, "revocationLists");
}

void kind_credential(struct json_reader *r, struct contribution_list *out)
{
	static const char *const types[] = {"PSK", "X509", NULL};
	uint8_t type = json_get_word(r, "type", types);
	struct credential_list list = {
		.c = {.conn = (uint32_t)json_get_uint(r, "connection", UINT32_MAX)},
		.out = out,
		.r = r,
	};

	if (!list.c.conn && r->key)
		list.c.conn = (uint32_t)strtoul(r->key, NULL, 10);
	if (!list.c.conn || !type) {
		json_reader_fail(r, "connection and type are needed");
	} else if (type == 1) {
		const char *secret = json_get_text(r, "secret");

		list.c.type = API_IKE_CRED_PSK;
		add_credential(&list, (const uint8_t *)secret, strlen(secret));
	} else {
		add_x509(&list);
	}
	explicit_bzero(&list.c, sizeof(list.c));
}
