// SPDX-License-Identifier: Apache-2.0

// Both back-ends against published vectors, against each other, and against a plain HMAC and GMAC
// computed here by other calls.

#include "crypto.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdlib.h>
#include <string.h>
#include <cmocka.h>
#include <openssl/evp.h>
#include <openssl/hmac.h>

#include "esp_sa.h"

static const struct esp_crypto *const backends[] = {&esp_crypto_ipsecmb, &esp_crypto_openssl};

static size_t hex(const char *text, uint8_t *bytes)
{
	size_t n = 0;

	for (; text[0] != '\0' && text[1] != '\0'; text += 2) {
		char pair[3] = {text[0], text[1], '\0'};

		bytes[n++] = (uint8_t)strtoul(pair, NULL, 16);
	}
	return n;
}

struct vector {
	const char *source;
	uint16_t cipher, integrity;
	bool esn;
	const char *key; // with salt
	const char *aad; // SPI, high sequence bits with ESN, sequence number
	const char *iv;
	const char *plain; // with trailer
	const char *sealed;
	const char *icv; // NULL: HMAC of a key of 0x0b, computed here
};

static const struct vector vectors[] = {
	{
		"draft-mcgrew-gcm-test 4, AES-128-GCM, ESN",
		API_CIPHER_AES_GCM_16,
		0,
		true,
		"4c80cdefbb5d10da906ac73c3613a6342e443b68",
		"000043218765432100000000",
		"4956ed7e3b244cfe",
		"45000048699a000080114db7c0a80102c0a801010a9bf15638d3010000010000"
		"00000000045f736970045f756470037369700963796265726369747902646b00"
		"0021000101020201",
		"fecf537e729d5b07dc30df528dd22b768d1b98736696a6fd348509fa13ceac34"
		"cfa2436f14a3f3cf65925bf1f4a13c5d15b21e1884f5ff6247aeabb786b93bce"
		"61bc17d768fd9732",
		"459018148f6cbe722fd04796562dfdb4",
	},
	{
		"draft-mcgrew-gcm-test 4, AES-128-GCM",
		API_CIPHER_AES_GCM_16,
		0,
		false,
		"feffe9928665731c6d6a8f9467308308cafebabe",
		"0000a5f80000000a",
		"facedbaddecaf888",
		"4500003e698f000080114dccc0a80102c0a801010a980035002a2343b2d00100"
		"0001000000000000037369700963796265726369747902646b00000100010001",
		"deb22cd9b07c72c16e3a65beeb8df304a5a5897d33ae530f1ba76d5d114d2a5c"
		"3de81827c10e9a4f51330d0eec416642cfbb85a5b47e48a4ec3b9ba95d918bd1",
		"83b70d3aa8bc6ee4c309e9d85a41ad4a",
	},
	{
		"draft-mcgrew-gcm-test 4, AES-192-GCM",
		API_CIPHER_AES_GCM_16,
		0,
		false,
		"feffe9928665731c6d6a8f9467308308feffe9928665731ccafebabe",
		"0000a5f80000000a",
		"facedbaddecaf888",
		"45000028a4ad4000400678800a01038f0a010612802306b8cb712602dd6bb03e"
		"501016d075680001",
		"a5b1f8066029aea40e598b8122de02420938b3ab33f828e687b8858b5bfbdbd0"
		"315b27452144cc77",
		"95457b9652037f5318027b5b4cd7a636",
	},
	{
		"draft-mcgrew-gcm-test 4, AES-256-GCM",
		API_CIPHER_AES_GCM_16,
		0,
		false,
		"abbccddef00112233445566778899aababbccddef00112233445566778899aab11223344",
		"4a2cbfe300000002",
		"0102030405060708",
		"4500003069a6400080062690c0a801029389155e0a9e008b2dc57ee000000000"
		"7002400020bf0000020405b40101040201020201",
		"ff425c9b724599df7a3bcd510194e00d6a78107f1b0b1cbf06efae9d65a5d763"
		"748a637985771d347f0545659f14e99def842d8e",
		"b335f4eecfdbf831824b4c4915956c96",
	},
	{
		"draft-mcgrew-gcm-test 4, AES-256-GCM, ESN",
		API_CIPHER_AES_GCM_16,
		0,
		true,
		"6c6567616c697a656d6172696a75616e61616e64646f69746265666f726569617475726e",
		"796b6963ffffffffffffffff",
		"333021696765746d",
		"45000030da3a00008001df3bc0a80005c0a800010800c6cd0200070061626364"
		"65666768696a6b6c6d6e6f707172737401020201",
		"f97ab2aa356d8edce17644ac8c78e25dd24dedbb29ebf1b64a274b39b49c3a86"
		"4cd3d78ca4ae68a32b42458fb57dbe821dcc63b9",
		"d0937ba2945f669368661a329fb4c053",
	},
	{
		"RFC 7634 appendix A",
		API_CIPHER_CHACHA20_POLY1305,
		0,
		false,
		"808182838485868788898a8b8c8d8e8f909192939495969798999a9b9c9d9e9fa0a1a2a3",
		"0102030400000005",
		"1011121314151617",
		"45000054a6f200004001e778c6336405c000020508005b7a3a080000553bec10"
		"0007362708090a0b0c0d0e0f101112131415161718191a1b1c1d1e1f20212223"
		"2425262728292a2b2c2d2e2f303132333435363701020204",
		"24039428b97f417e3c13753a4f05087b67c352e6a7fab1b982d466ef407ae5c6"
		"14ee8099d52844eb61aa95dfab4c02f72aa71e7c4c4f64c9befe2facc638e8f3"
		"cbec163fac469b502773f6fb94e664da9165b82829f641e0",
		"76aaa8266b7fb0f7b11b369907e1ad43",
	},
	{
		"RFC 3602 case 5, HMAC-SHA2-256-128",
		API_CIPHER_AES_CBC,
		API_INTEGRITY_HMAC_SHA2_256_128,
		false,
		"90d382b410eeba7ad938c46cec1a82bf",
		"0000432100000001",
		"e96e8c08ab465763fd098d45dd3ff893",
		"08000ebda70a00008e9c083db95b070008090a0b0c0d0e0f1011121314151617"
		"18191a1b1c1d1e1f202122232425262728292a2b2c2d2e2f3031323334353637"
		"0102030405060708090a0b0c0d0e0e01",
		"f663c25d325c18c6a9453e194e120849a4870b66cc6b9965330013b4898dc856"
		"a4699e523a55db080b59ec3a8e4b7e52775b07d1db34ed9c538ab50c551b874a"
		"a269add047ad2d5913ac19b7cfbad4a6",
		NULL,
	},
	{
		"RFC 3602 case 7, HMAC-SHA1-96, ESN",
		API_CIPHER_AES_CBC,
		API_INTEGRITY_HMAC_SHA1_96,
		true,
		"0123456789abcdef0123456789abcdef",
		"000087650000000700000002",
		"f4e765244f6407adf13dc1380f673f37",
		"45000054090400004001f988c0a87b03c0a87bc808009f76a90a0100b49c083d"
		"02a2040008090a0b0c0d0e0f101112131415161718191a1b1c1d1e1f20212223"
		"2425262728292a2b2c2d2e2f3031323334353637"
		"0102030405060708090a0a04",
		"773b5241a4c449225e4f3ce5ed611b0c237ca96cf74a93013c1b0ea1a0cf70f8"
		"e4ecaec78ac53aad7a0f022b859243c647752e94a859352b8a4d4d2decd136e5"
		"c177f132ad3fbfb2201ac9904c74ee0a109e0ca1e4dfe9d5a100b842f1c22f0d",
		NULL,
	},
};

#define VECTORS (sizeof(vectors) / sizeof(vectors[0]))

static const EVP_MD *digest(const struct esp_suite *s)
{
	return s->hmac == ESP_HMAC_SHA1     ? EVP_sha1()
	       : s->hmac == ESP_HMAC_SHA256 ? EVP_sha256()
					    : EVP_sha384();
}

// ICV over header, IV, payload and, with ESN, the high bits.
static void hmac_icv(const struct esp_suite *s, const uint8_t *auth, const uint8_t *esp,
	size_t size, const uint8_t *high, uint8_t *icv)
{
	uint8_t all[4096], full[EVP_MAX_MD_SIZE];
	unsigned full_size;

	memcpy(all, esp, size);
	if (high != NULL)
		memcpy(all + size, high, 4);
	HMAC(digest(s), auth, s->auth_key_size, all, size + (high != NULL ? 4 : 0), full,
		&full_size);
	memcpy(icv, full, s->icv_size);
}

static struct esp_key *key_new(const struct esp_crypto *c, const struct esp_suite *s, bool esn,
	const uint8_t *key, const uint8_t *auth, bool seal)
{
	struct esp_key *k = aligned_alloc(64, sizeof(*k));

	memset(k, 0, sizeof(*k));
	k->suite = s;
	k->esn = esn;
	memcpy(k->salt, key + s->key_size, s->salt_size);
	assert_int_equal(c->key_init(k, key, s->auth_key_size ? auth : NULL, seal), 0);
	return k;
}

static void key_free(const struct esp_crypto *c, struct esp_key *k)
{
	c->key_fini(k);
	free(k);
}

static void vector_check(const struct esp_crypto *c, const struct vector *v)
{
	uint8_t key[64], auth[48], aad[12], plain[512], sealed[512], packet[1024], icv[24];
	struct esp_crypto_thread *t = c->thread_new();
	size_t key_size = hex(v->key, key), aad_size = hex(v->aad, aad), iv_size, size;
	const char *words = NULL;
	const struct esp_suite *s = esp_suite_find(v->cipher, v->integrity, (unsigned)key_size,
		v->integrity == API_INTEGRITY_HMAC_SHA1_96 ? 20
		: v->integrity                             ? 32
							   : 0,
		&words);
	struct esp_key *sealing, *opening;
	struct esp_op op = {.esp = packet};

	assert_non_null(s);
	memset(auth, 0x0b, sizeof(auth));
	memcpy(packet, aad, 4);
	memcpy(packet + 4, aad + aad_size - 4, 4);
	iv_size = hex(v->iv, packet + 8);
	assert_int_equal(iv_size, s->iv_size);
	size = hex(v->plain, plain);
	memcpy(packet + 8 + iv_size, plain, size);
	op.size = (uint32_t)size;
	op.seq_hi = v->esn ? (uint32_t)aad[4] << 24 | aad[5] << 16 | aad[6] << 8 | aad[7] : 0;
	sealing = key_new(c, s, v->esn, key, auth, true);
	opening = key_new(c, s, v->esn, key, auth, false);

	op.key = sealing;
	c->seal(t, &op, 1);
	assert_true(op.ok);
	if (v->sealed != NULL) {
		assert_int_equal(hex(v->sealed, sealed), size);
		assert_memory_equal(packet + 8 + iv_size, sealed, size);
	}
	if (v->icv != NULL)
		hex(v->icv, icv);
	else
		hmac_icv(s, auth, packet, 8 + iv_size + size, v->esn ? aad + 4 : NULL, icv);
	assert_memory_equal(packet + 8 + iv_size + size, icv, s->icv_size);

	op.key = opening;
	c->open(t, &op, 1);
	assert_true(op.ok);
	assert_memory_equal(packet + 8 + iv_size, plain, size);
	key_free(c, sealing);
	key_free(c, opening);
	c->thread_free(t);
}

static void published_vectors_come_out(void **state)
{
	for (size_t b = 0; b < 2; b++)
		for (size_t i = 0; i < VECTORS; i++)
			vector_check(backends[b], &vectors[i]);
}

// RFC 4868 2.7.2: the HMAC the other tests compare with is itself right.
static void oracle_gives_rfc4868_vectors(void **state)
{
	static const struct {
		const EVP_MD *(*md)(void);
		size_t key_size;
		const char *mac;
	} list[] = {
		{EVP_sha256, 32,
			"198a607eb44bfbc69903a0f1cf2bbdc5ba0aa3f3d9ae3c1c7a3b1696a0b68cf7"},
		{EVP_sha384, 48,
			"b6a8d5636f5c6a7224f9977dcf7ee6c7fb6d0c48cbdee9737a959796489bddbc"
			"4c5df61d5b3297b4fb68dab9f1b582c2"},
	};
	uint8_t key[48], want[48], got[EVP_MAX_MD_SIZE];

	memset(key, 0x0b, sizeof(key));
	for (size_t i = 0; i < 2; i++) {
		unsigned size;

		HMAC(list[i].md(), key, (int)list[i].key_size, (const uint8_t *)"Hi There", 8, got,
			&size);
		assert_int_equal(hex(list[i].mac, want), size);
		assert_memory_equal(got, want, size);
	}
}

// -- random packets of every suite

#define MANY 64

static void fill_random(uint8_t *p, size_t size)
{
	for (size_t i = 0; i < size; i++)
		p[i] = (uint8_t)random();
}

static void suite_crosses(const struct esp_suite *s, bool esn)
{
	static uint8_t packets[2][MANY][2048], plain[MANY][2048];
	struct esp_op ops[2][MANY];
	uint8_t key[64], auth[48];

	fill_random(key, sizeof(key));
	fill_random(auth, sizeof(auth));
	for (unsigned i = 0; i < MANY; i++) {
		size_t size = s->align * (1 + (size_t)random() % (1500 / s->align));

		fill_random(plain[i], 8 + s->iv_size + size);
		for (int b = 0; b < 2; b++) {
			memcpy(packets[b][i], plain[i], sizeof(plain[i]));
			ops[b][i] = (struct esp_op){.esp = packets[b][i],
				.size = (uint32_t)size,
				.seq_hi = (uint32_t)i * 7919};
		}
	}
	for (int b = 0; b < 2; b++) {
		struct esp_crypto_thread *t = backends[b]->thread_new();
		struct esp_key *k = key_new(backends[b], s, esn, key, auth, true);

		for (unsigned i = 0; i < MANY; i++)
			ops[b][i].key = k;
		backends[b]->seal(t, ops[b], MANY);
		key_free(backends[b], k);
		backends[b]->thread_free(t);
	}
	for (unsigned i = 0; i < MANY; i++) {
		size_t all = 8u + s->iv_size + ops[0][i].size + s->icv_size;

		assert_true(ops[0][i].ok && ops[1][i].ok);
		assert_memory_equal(packets[0][i], packets[1][i], all);
		if (s->kind != ESP_KIND_GMAC)
			assert_memory_not_equal(packets[0][i] + 8 + s->iv_size,
				plain[i] + 8 + s->iv_size, ops[0][i].size);
	}
	for (int b = 0; b < 2; b++) {
		struct esp_crypto_thread *t = backends[b]->thread_new();
		struct esp_key *k = key_new(backends[b], s, esn, key, auth, false);

		for (unsigned i = 0; i < MANY; i++)
			ops[b][i].key = k;
		// Every third has one bit wrong somewhere, or the high sequence bits.
		for (unsigned i = 0; i < MANY; i += 3) {
			size_t all = 8u + s->iv_size + ops[b][i].size + s->icv_size;

			if (esn && i % 2)
				ops[b][i].seq_hi ^= 1;
			else
				packets[b][i][(size_t)random() % all] ^=
					(uint8_t)(1 << random() % 8);
		}
		backends[b]->open(t, ops[b], MANY);
		for (unsigned i = 0; i < MANY; i++) {
			assert_int_equal(ops[b][i].ok, i % 3 != 0);
			if (i % 3)
				assert_memory_equal(
					packets[b][i], plain[i], 8u + s->iv_size + ops[b][i].size);
		}
		key_free(backends[b], k);
		backends[b]->thread_free(t);
	}
}

static void backends_agree_and_refuse_a_wrong_bit(void **state)
{
	const struct esp_suite *s;

	srandom(4303);
	for (unsigned i = 0; (s = esp_suite_at(i)) != NULL; i++) {
		suite_crosses(s, false);
		suite_crosses(s, true);
	}
}

// RFC 4543 figure 3: SPI, sequence, IV and payload are the AAD of a GCM without plaintext.
static void gmac_authenticates_all_but_the_icv(void **state)
{
	uint8_t key[36], packet[256], all[256], tag[16], nonce[12];
	const char *words;
	const struct esp_suite *s = esp_suite_find(API_CIPHER_AES_GMAC, 0, 36, 0, &words);
	EVP_CIPHER_CTX *ctx = EVP_CIPHER_CTX_new();
	int n;

	fill_random(key, sizeof(key));
	fill_random(packet, sizeof(packet));
	memcpy(all, packet, 4);
	memcpy(all + 4, "\x00\x00\x00\x05", 4);
	memcpy(all + 8, packet + 4, 4 + 8 + 64);
	memcpy(nonce, key + 32, 4);
	memcpy(nonce + 4, packet + 8, 8);
	EVP_EncryptInit_ex(ctx, EVP_aes_256_gcm(), NULL, key, nonce);
	EVP_EncryptUpdate(ctx, NULL, &n, all, 4 + 4 + 4 + 8 + 64);
	EVP_EncryptFinal_ex(ctx, tag, &n);
	EVP_CIPHER_CTX_ctrl(ctx, EVP_CTRL_AEAD_GET_TAG, 16, tag);
	EVP_CIPHER_CTX_free(ctx);
	for (int b = 0; b < 2; b++) {
		struct esp_crypto_thread *t = backends[b]->thread_new();
		struct esp_key *k = key_new(backends[b], s, true, key, NULL, true);
		struct esp_op op = {.key = k, .esp = packet, .size = 64, .seq_hi = 5};

		backends[b]->seal(t, &op, 1);
		assert_memory_equal(packet + 8 + 8 + 64, tag, 16);
		key_free(backends[b], k);
		backends[b]->thread_free(t);
	}
}

static void random_ivs_do_not_repeat(void **state)
{
	for (int b = 0; b < 2; b++) {
		static uint8_t ivs[512][16];
		struct esp_crypto_thread *t = backends[b]->thread_new();
		struct esp_crypto_thread *u = backends[b]->thread_new();

		for (int i = 0; i < 256; i++) {
			backends[b]->random_iv(t, ivs[i]);
			backends[b]->random_iv(u, ivs[256 + i]);
		}
		for (int i = 0; i < 512; i++)
			for (int j = 0; j < i; j++)
				assert_memory_not_equal(ivs[i], ivs[j], 8);
		backends[b]->thread_free(t);
		backends[b]->thread_free(u);
	}
}

static void weak_algorithms_are_refused_with_words(void **state)
{
	static const struct {
		uint16_t cipher, integrity;
		unsigned key, auth;
		const char *word;
	} list[] = {
		{API_CIPHER_DES, API_INTEGRITY_HMAC_SHA1_96, 8, 20, "56-bit"},
		{API_CIPHER_DES_IV64, API_INTEGRITY_HMAC_SHA1_96, 8, 20, "56-bit"},
		{API_CIPHER_NULL, API_INTEGRITY_HMAC_SHA1_96, 0, 20, "encrypts nothing"},
		{API_CIPHER_AES_CBC, API_INTEGRITY_HMAC_MD5_96, 16, 16, "MD5"},
		{API_CIPHER_AES_CBC, API_INTEGRITY_NONE, 16, 0, "no such pair"},
		{API_CIPHER_AES_GCM_16, API_INTEGRITY_NONE, 32, 0, "salt"},
	};

	for (size_t i = 0; i < sizeof(list) / sizeof(list[0]); i++) {
		const char *words = NULL;

		assert_null(esp_suite_find(
			list[i].cipher, list[i].integrity, list[i].key, list[i].auth, &words));
		assert_non_null(words);
		assert_non_null(strstr(words, list[i].word));
	}
}

static void backend_is_chosen_by_name(void **state)
{
	assert_ptr_equal(esp_crypto_find("openssl"), &esp_crypto_openssl);
	assert_non_null(esp_crypto_find("auto"));
	assert_null(esp_crypto_find("rot13"));
}

int main(void)
{
	static const struct CMUnitTest tests[] = {
		cmocka_unit_test(published_vectors_come_out),
		cmocka_unit_test(oracle_gives_rfc4868_vectors),
		cmocka_unit_test(backends_agree_and_refuse_a_wrong_bit),
		cmocka_unit_test(gmac_authenticates_all_but_the_icv),
		cmocka_unit_test(random_ivs_do_not_repeat),
		cmocka_unit_test(weak_algorithms_are_refused_with_words),
		cmocka_unit_test(backend_is_chosen_by_name),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
