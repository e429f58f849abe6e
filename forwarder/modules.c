// SPDX-License-Identifier: Apache-2.0
#include "modules.h"

extern const struct module module_state;
extern const struct module module_trace;
extern const struct module module_gateway;
extern const struct module module_ipsec;
extern const struct module module_capture;
extern const struct module module_fence;

// In the order in which they start; they end in reverse.
const struct module *const modules[] = {
	&module_state,
	&module_trace,
	&module_gateway,
	&module_ipsec,
	&module_capture,
	&module_fence,
};

const size_t modules_len = sizeof(modules) / sizeof(modules[0]);
