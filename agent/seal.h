// SPDX-License-Identifier: Apache-2.0
#pragma once

// Sealing of secrets on disk: AES-256-GCM under a key that never leaves the host. Keeps a copied
// disk file or backup from telling secrets; it does not defend against root on the host.

#include <stddef.h>
#include <stdint.h>

#define SEAL_KEY_SIZE 32
#define SEAL_OVERHEAD 28 // bytes: nonce and tag

struct seal_key {
	uint8_t bytes[SEAL_KEY_SIZE];
};

// Reads the key from path, or makes one there (mode 0600). -EPERM: others may read the file.
int seal_key_open(const char *path, struct seal_key *ret_key);
// dst holds size + SEAL_OVERHEAD bytes. name binds the text to its place.
int seal_close(
	const struct seal_key *key, const char *name, const void *text, size_t size, uint8_t *dst);
// dst holds size - SEAL_OVERHEAD bytes. -EBADMSG: another key, another name, or changed.
int seal_open(const struct seal_key *key, const char *name, const uint8_t *sealed, size_t size,
	uint8_t *dst);
