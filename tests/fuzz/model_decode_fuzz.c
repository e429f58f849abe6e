// SPDX-License-Identifier: Apache-2.0

// A client's body of any type: the first byte chooses the type, the rest is JSON. What is accepted
// normalises to itself, loads, shows, and has no differences from itself.

#include "nouns.h"

#include <stdlib.h>

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

static void check(const struct model_type *type, json_t *doc)
{
	struct model_errors errors = {0};
	json_t *again;

	if (model_normalise(type, doc, doc, &again, &errors) < 0 || !json_equal(doc, again))
		abort();
	if (model_diff(type, doc, again, NULL, NULL) != MODEL_BLAST_NOTHING)
		abort();
	model_free(model_load(type, doc));
	json_decref(model_show(type, doc));
	json_decref(again);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	struct model_errors errors = {0};
	const struct model_type *type;
	json_t *body, *doc;
	size_t types = 0;

	while (model_types[types])
		types++;
	if (!size)
		return 0;
	type = model_types[data[0] % types];
	body = json_loadb((const char *)data + 1, size - 1, JSON_REJECT_DUPLICATES, NULL);
	if (body && model_normalise(type, body, NULL, &doc, &errors) == 0) {
		check(type, doc);
		json_decref(doc);
	}
	json_decref(body);
	return 0;
}
