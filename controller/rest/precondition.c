// SPDX-License-Identifier: Apache-2.0
#include "request.h"

#include <string.h>

// The table of preconditions (RFC 7232; [MS-NCNBI] 2.2.1.3.4 agrees but for a missing If-Match,
// which is no error to its own clients either):
//
//                    PUT absent  PUT exists   DELETE absent  DELETE exists
//   no If-Match      201         200          204            202
//   If-Match *       412         200          204            202
//   If-Match "x"     412         200 or 412   204            202 or 412
//   If-None-Match *  201         412

// Does one of the listed tags name the etag? Weak and strong forms, with or without quotes.
static bool names(const char *list, const char *etag)
{
	size_t n = strlen(etag);

	for (const char *at = strstr(list, etag); at; at = strstr(at + 1, etag)) {
		bool starts = at == list || strchr("\", ", at[-1]);

		if (starts && (!at[n] || strchr("\", ", at[n])))
			return true;
	}
	return false;
}

static bool is_any(const char *list)
{
	return strchr(list, '*') != NULL;
}

int rest_precondition(struct rest_request *req, const char *etag)
{
	const char *match = rest_input_header(req, "If-Match");
	const char *none = rest_input_header(req, "If-None-Match");

	if (none && etag && (is_any(none) || names(none, etag)))
		return rest_fail(
			req, 412, "PreconditionFailed", "If-None-Match", "The resource exists.");
	if (!match || !*match)
		return 0;
	if (!etag && req->method == EVHTTP_REQ_DELETE)
		return 0;
	if (!etag)
		return rest_fail(
			req, 412, "PreconditionFailed", "If-Match", "The resource does not exist.");
	if (is_any(match) || names(match, etag))
		return 0;
	return rest_fail(req, 412, "PreconditionFailed", "If-Match",
		"The resource has changed: its ETag is W/\"%s\".", etag);
}
