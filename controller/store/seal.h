// SPDX-License-Identifier: Apache-2.0
#pragma once

// Secrets at rest: AES-256-GCM under a key file of the controller's own (mode 0600). What a sealed
// text belongs to (the resource's key) is authenticated with it, so that it opens nowhere else.

struct seal;

// Makes the key file when absent. -EACCES: others may read it. -EINVAL: not a key.
int seal_open(const char *key_file, struct seal **ret_seal);
void seal_close(struct seal *seal); // wipes the key; NULL is fine

// Returned texts are the caller's. seal_text: "sealed:1:<hex>".
int seal_text(const struct seal *seal, const char *owner, const char *plain, char **ret_sealed);
// -EBADMSG: changed, of another owner, or sealed under another key.
int seal_unseal(const struct seal *seal, const char *owner, const char *sealed, char **ret_plain);
