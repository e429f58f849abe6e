// SPDX-License-Identifier: Apache-2.0
// The list of all types: what is not in it does not exist.
#include "nouns.h"

#include <stdio.h>
#include <string.h>
#include <strings.h>

const struct model_type *const model_types[] = {
	&model_type_credential,
	&model_type_virtual_server,
	&model_type_server,
	&model_type_server_nic,
	&model_type_mac_pool,
	&model_type_logical_network,
	&model_type_lsubnet,
	&model_type_ip_pool,
	&model_type_public_ip,
	&model_type_vnet_manager,
	&model_type_virtual_network,
	&model_type_vsubnet,
	&model_type_nic,
	&model_type_ip_configuration,
	&model_type_lb_manager,
	&model_type_mux,
	&model_type_gateway_pool,
	&model_type_gateway,
	&model_type_virtual_gateway,
	&model_type_connection,
	&model_type_bgp_router,
	&model_type_bgp_peer,
	&model_type_policy_map,
	NULL,
};

const struct model_type *model_type_child(const struct model_type *parent, const char *name)
{
	for (const struct model_type *const *t = model_types; *t; t++) {
		if ((*t)->parent == parent && !strcasecmp((*t)->collection, name))
			return *t;
	}
	return NULL;
}

static const struct model_type *find_levels(const char *word)
{
	const struct model_type *type = NULL;
	char name[MODEL_ID_SIZE];
	size_t n;

	for (; *word; word += n + (word[n] == '/')) {
		n = strcspn(word, "/");
		snprintf(name, sizeof(name), "%.*s", (int)n, word);
		type = model_type_child(type, name);
		if (!type)
			return NULL;
	}
	return type;
}

const struct model_type *model_type_find(const char *word)
{
	if (strchr(word, '/'))
		return find_levels(word);
	for (const struct model_type *const *t = model_types; *t; t++) {
		if (!strcasecmp((*t)->noun, word) || !strcasecmp((*t)->short_name, word))
			return *t;
	}
	// Top-level collections before children of the same name; then "<noun>s".
	for (const struct model_type *const *t = model_types; *t; t++) {
		if (!(*t)->parent && !strcasecmp((*t)->collection, word))
			return *t;
	}
	for (const struct model_type *const *t = model_types; *t; t++) {
		size_t n = strlen((*t)->noun);

		if (!strcasecmp((*t)->collection, word) ||
			(!strncasecmp((*t)->noun, word, n) && !strcasecmp(word + n, "s")))
			return *t;
	}
	return NULL;
}
