// SPDX-License-Identifier: Apache-2.0

// A southbound object's value as the agent reads it: the first byte chooses the kind, the rest is
// JSON. What is taken is told to nobody: translation is pure.

#include "kinds.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	struct contribution_list list = {.head = SLIST_HEAD_INITIALIZER(list.head)};
	struct json_reader r;
	json_t *value;

	if (!size)
		return 0;
	value = json_loadb((const char *)data + 1, size - 1, 0, NULL);
	if (!json_is_object(value)) {
		json_decref(value);
		return 0;
	}
	json_reader_init(&r, value);
	r.key = "1/1";
	kinds[data[0] % kind_len].translate(&r, &list);
	contribution_list_free(&list);
	json_decref(value);
	return 0;
}
