// SPDX-License-Identifier: Apache-2.0
#pragma once

// From stored resources to what the plan is fed. Every name in the plan is a resourceId in lower
// case; references keep their spelling.

#include "fleet.h"
#include "plan.h"
#include "resource.h"

struct translate {
	const struct resource_store *resources;
	struct plan *plan;
	struct fleet *fleet;
};

// The resource under that key (a store key that begins with '/') was put or deleted. What depends
// on it is fed as well.
void translate_change(struct translate *t, const char *key, bool deleted);
// Everything, into a plan that is fed nothing yet.
void translate_all(struct translate *t);
