// SPDX-License-Identifier: GPL-3.0-or-later
#include <stdarg.h>
#include <stdbool.h>
#include <stdio.h>
#include <string.h>

#include "words.h"

#include "exchange.h"

#define LEN(a) (sizeof(a) / sizeof(*(a)))

static const struct {
	uint8_t type;
	uint16_t id, bits;
	const char *ike, *esp;
} transforms[] = {
	{TRANSFORM_ENCR, 2, 0, "DES", "DES"},
	{TRANSFORM_ENCR, 3, 0, "DES3", "DES3"},
	{TRANSFORM_ENCR, 11, 0, "NULL", "None"},
	{TRANSFORM_ENCR, 12, 128, "AES128", "AES128"},
	{TRANSFORM_ENCR, 12, 192, "AES192", "AES192"},
	{TRANSFORM_ENCR, 12, 256, "AES256", "AES256"},
	{TRANSFORM_ENCR, 20, 128, "GCMAES128", "GCMAES128"},
	{TRANSFORM_ENCR, 20, 192, "GCMAES192", "GCMAES192"},
	{TRANSFORM_ENCR, 20, 256, "GCMAES256", "GCMAES256"},
	{TRANSFORM_ENCR, 28, 0, "ChaCha20-Poly1305", "ChaCha20-Poly1305"},
	{TRANSFORM_ENCR, 28, 256, "ChaCha20-Poly1305", "ChaCha20-Poly1305"},
	{TRANSFORM_PRF, 1, 0, "MD5", "MD5"},
	{TRANSFORM_PRF, 2, 0, "SHA1", "SHA1"},
	{TRANSFORM_PRF, 5, 0, "SHA256", "SHA256"},
	{TRANSFORM_PRF, 6, 0, "SHA384", "SHA384"},
	{TRANSFORM_PRF, 7, 0, "SHA512", "SHA512"},
	{TRANSFORM_INTEG, 1, 0, "MD5", "MD596"},
	{TRANSFORM_INTEG, 2, 0, "SHA1", "SHA196"},
	{TRANSFORM_INTEG, 12, 0, "SHA256", "SHA256128"},
	{TRANSFORM_INTEG, 13, 0, "SHA384", "SHA384192"},
	{TRANSFORM_INTEG, 14, 0, "SHA512", "SHA512256"},
	{TRANSFORM_DH, 0, 0, "None", "None"},
	{TRANSFORM_DH, 1, 0, "Group1", "PFS1"},
	{TRANSFORM_DH, 2, 0, "Group2", "PFS2"},
	{TRANSFORM_DH, 14, 0, "Group14", "PFS2048"},
	{TRANSFORM_DH, 19, 0, "ECP256", "ECP256"},
	{TRANSFORM_DH, 20, 0, "ECP384", "ECP384"},
	{TRANSFORM_DH, 24, 0, "Group24", "PFS24"},
	{TRANSFORM_ESN, 0, 0, "no ESN", "no ESN"},
	{TRANSFORM_ESN, 1, 0, "ESN", "ESN"},
};

static const char *const type_names[] = {"", "cipher", "PRF", "integrity", "group", "ESN"};

const char *word_transform(
	uint8_t type, uint16_t id, uint16_t bits, bool is_ike, char text[WORD_SIZE])
{
	for (size_t i = 0; i < LEN(transforms); i++) {
		if (transforms[i].type == type && transforms[i].id == id &&
			transforms[i].bits == bits)
			return is_ike ? transforms[i].ike : transforms[i].esp;
	}
	snprintf(text, WORD_SIZE, bits ? "%s %u (%u bits)" : "%s %u",
		type < LEN(type_names) ? type_names[type] : "transform", id, bits);
	return text;
}

// RFC 7296 section 3.10.1, RFC 4555, RFC 7383
static const struct {
	uint16_t type;
	const char *name;
} notifies[] = {
	{1, "UNSUPPORTED_CRITICAL_PAYLOAD"},
	{4, "INVALID_IKE_SPI"},
	{5, "INVALID_MAJOR_VERSION"},
	{7, "INVALID_SYNTAX"},
	{9, "INVALID_MESSAGE_ID"},
	{11, "INVALID_SPI"},
	{14, "NO_PROPOSAL_CHOSEN"},
	{17, "INVALID_KE_PAYLOAD"},
	{24, "AUTHENTICATION_FAILED"},
	{34, "SINGLE_PAIR_REQUIRED"},
	{35, "NO_ADDITIONAL_SAS"},
	{36, "INTERNAL_ADDRESS_FAILURE"},
	{37, "FAILED_CP_REQUIRED"},
	{38, "TS_UNACCEPTABLE"},
	{39, "INVALID_SELECTORS"},
	{43, "TEMPORARY_FAILURE"},
	{44, "CHILD_SA_NOT_FOUND"},
	{16384, "INITIAL_CONTACT"},
	{16388, "NAT_DETECTION_SOURCE_IP"},
	{16389, "NAT_DETECTION_DESTINATION_IP"},
	{16390, "COOKIE"},
	{16391, "USE_TRANSPORT_MODE"},
	{16393, "REKEY_SA"},
	{16394, "ESP_TFC_PADDING_NOT_SUPPORTED"},
	{16396, "MOBIKE_SUPPORTED"},
	{16400, "UPDATE_SA_ADDRESSES"},
	{16403, "AUTH_LIFETIME"},
	{16404, "MULTIPLE_AUTH_SUPPORTED"},
	{16417, "EAP_ONLY_AUTHENTICATION"},
	{16430, "IKEV2_FRAGMENTATION_SUPPORTED"},
	{16431, "SIGNATURE_HASH_ALGORITHMS"},
};

const char *word_notify(uint16_t type, char text[WORD_SIZE])
{
	for (size_t i = 0; i < LEN(notifies); i++) {
		if (notifies[i].type == type)
			return notifies[i].name;
	}
	snprintf(text, WORD_SIZE, "notify %u", type);
	return text;
}

const char *word_exchange(uint16_t exchange)
{
	static const char *const names[] = {
		"IKE_SA_INIT", "IKE_AUTH", "CREATE_CHILD_SA", "INFORMATIONAL"};

	return exchange >= EXCHANGE_INIT && exchange <= EXCHANGE_INFO
		       ? names[exchange - EXCHANGE_INIT]
		       : "another exchange";
}

const char *word_auth(uint8_t method)
{
	switch (method) {
	case 0: return "none or EAP";
	case 2: return "PSK";
	case 1:
	case 9:
	case 10:
	case 11:
	case 14: return "Certificates";
	default: return "another method";
	}
}

void word_append(char *text, size_t size, const char *fmt, ...)
{
	size_t used = strlen(text);
	va_list ap;

	va_start(ap, fmt);
	vsnprintf(text + used, size - used, fmt, ap);
	va_end(ap);
}

char *word_selectors(const struct api_ike_selector *ts, size_t len, char *text, size_t size)
{
	char first[IP_TEXT_SIZE], last[IP_TEXT_SIZE];

	text[0] = '\0';
	for (size_t i = 0; i < len; i++) {
		word_append(text, size, "%s%s-%s", i ? ", " : "", ip_format(&ts[i].start, first),
			ip_format(&ts[i].end, last));
		if (ts[i].protocol)
			word_append(text, size, " protocol %u", ts[i].protocol);
		if (ts[i].port_start || ts[i].port_end != UINT16_MAX)
			word_append(text, size, " ports %u-%u", ts[i].port_start, ts[i].port_end);
	}
	if (!len)
		word_append(text, size, "any");
	return text;
}
