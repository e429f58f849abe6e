// SPDX-License-Identifier: Apache-2.0

// The agent's own socket: how it stands.

#include <stdio.h>
#include <string.h>

#include "agent.h"
#include "agent_status.h"
#include "log.h"
#include "server.h"

static bool target_up(const struct agent *a, enum desired_target id)
{
	return a->targets[id] && target_is_ready(a->targets[id]);
}

static int status_dump(void *ctx, const void *filter, struct api_emit *emit)
{
	const struct agent *a = ctx;
	struct api_agent_status status = {
		.controller_up = a->south && south_is_up(a->south),
		.settled = agent_is_settled(a),
		.forwarder_up = target_up(a, DESIRED_FORWARDER),
		.bgp_up = target_up(a, DESIRED_BGP),
		.ike_up = target_up(a, DESIRED_IKE),
		.term = a->term,
		.revision = a->revision,
		.reached = a->report.revision,
		.objects = a->wanted.objects.len,
		.refused = a->desired.refused_len,
		.objects_read = a->wanted.read,
		.objects_touched = a->desired.touched,
		.certificate_end = a->join.end,
	};

	snprintf(status.gateway, sizeof(status.gateway), "%s", a->config.name);
	if (a->south)
		snprintf(status.controller, sizeof(status.controller), "%s", south_url(a->south));
	return api_emit(emit, &status, sizeof(status));
}

static const struct api_handler status_handlers[] = {
	{.type = API_TYPE_AGENT_STATUS,
		.name = "agent-status",
		.size = sizeof(struct api_agent_status),
		.key_size = sizeof(uint32_t),
		.dump = status_dump},
};

int agent_start_status(struct agent *a, uint64_t instance)
{
	int ret;

	a->server = api_server_new(a->base, "isthmus-agent", instance);
	api_server_add(a->server, status_handlers, 1, a);
	ret = api_server_listen(a->server, a->config.socket);
	if (ret < 0)
		log_error("listening on %s: %s", a->config.socket, strerror(-ret));
	return ret;
}
