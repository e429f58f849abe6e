// SPDX-License-Identifier: Apache-2.0
#pragma once

// What an IPSec connection adds for isthmus-ike.

#include "kinds.h"
#include "objects.h"

// r: the connection's value, with its member `ipsec`.
void kinds_add_ike(
	struct json_reader *r, const struct api_conn *conn, struct contribution_list *out);
