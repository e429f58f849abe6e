// SPDX-License-Identifier: Apache-2.0
// credentials, virtualServers, servers: who is who, and on what machine.
#include "table.h"

#include <string.h>
#include <strings.h>

#include "pem.h"

// Of virtualServers and servers, which are managed the same way.
static const char *const credential_names[] = {"usernamePassword", "X509Certificate",
	"SnmpCommunityString", "X509CertificateSubjectName", NULL};

static bool credential_is_secret(const json_t *holder)
{
	const char *type = json_string_value(json_object_get(holder, "type"));

	return !type || !strcasecmp(type, credential_names[0]) ||
	       !strcasecmp(type, credential_names[2]);
}

#define PEM_MAX 65536

static const struct model_field credential_isthmus_fields[] = {
	{.name = "certificates",
		.kind = MODEL_TEXT,
		.flags = MODEL_KEEP,
		.max = PEM_MAX,
		AT(model_credential_isthmus, certificates),
		.help = "X.509 certificates as PEM: a gateway's own with those of the CAs between, "
			"its own first; or the CAs that are trusted."},
	{.name = "privateKey",
		.kind = MODEL_TEXT,
		.flags = MODEL_SECRET,
		.max = PEM_MAX,
		AT(model_credential_isthmus, private_key),
		.help = "Private key of the first certificate as PEM, without a passphrase "
			"(write-only): RSA, ECDSA or Ed25519."},
	{.name = "revocationLists",
		.kind = MODEL_TEXT,
		.flags = MODEL_KEEP,
		.max = PEM_MAX,
		AT(model_credential_isthmus, revocation_lists),
		.help = "Certificate revocation lists of the CAs as PEM."},
};

static const struct model_table credential_isthmus_table =
	TABLE(credential_isthmus_fields, model_credential_isthmus);

static void check_pem(
	const char *text, enum pem_kind kind, const char *target, struct model_errors *errors)
{
	char err[128];

	if (text && pem_each(text, kind, NULL, NULL, err, sizeof(err)) < 0)
		model_error_add(errors, "InvalidParameterValue", target, "'%s': %s.",
			strrchr(target, '.') + 1, err);
}

static void credential_check(const void *properties, struct model_errors *errors)
{
	const struct model_credential *c = properties;
	const struct model_credential_isthmus *x = c->isthmus;
	size_t before = errors->len;

	if (!x)
		return;
	check_pem(x->certificates, PEM_CERTIFICATE, "properties.isthmus.certificates", errors);
	check_pem(x->private_key, PEM_PRIVATE_KEY, "properties.isthmus.privateKey", errors);
	check_pem(x->revocation_lists, PEM_CRL, "properties.isthmus.revocationLists", errors);
	if (errors->len == before && x->private_key &&
		!(x->certificates && pem_key_fits(x->private_key, x->certificates)))
		model_error_add(errors, "InvalidParameterValue", "properties.isthmus.privateKey",
			"'privateKey' is not the key of the first of 'certificates'.");
}

static const struct model_field credential_fields[] = {
	{.name = "type",
		.kind = MODEL_ENUM,
		.flags = MODEL_REQUIRED,
		.names = credential_names,
		AT(model_credential, type),
		.column = "TYPE",
		.help = "What the credential is."},
	{.name = "userName",
		.kind = MODEL_TEXT,
		AT(model_credential, user_name),
		.column = "USER",
		.help = "Account name, for usernamePassword."},
	{.name = "value",
		.kind = MODEL_TEXT,
		.flags = MODEL_SECRET,
		.is_secret = credential_is_secret,
		AT(model_credential, value),
		.help = "Password or community (write-only), certificate thumbprint or subject "
			"name."},
	{.name = "networks", .kind = MODEL_STATE, .help = "Where it is used."},
	{.name = "isthmus",
		.kind = MODEL_OBJECT,
		.flags = MODEL_KEEP,
		.table = &credential_isthmus_table,
		AT(model_credential, isthmus),
		.help = "Extensions: X.509 certificates that IPsec connections name."},
};

static const struct model_table credential_table = TABLE(credential_fields, model_credential);

const struct model_type model_type_credential = {
	.collection = "credentials",
	.ref_name = "credentials",
	.noun = "credential",
	.short_name = "cred",
	.in_use_code = "InUseCredentialCannotBeDeleted",
	.properties = &credential_table,
	.flags = MODEL_CAN_PUT | MODEL_CAN_DELETE | MODEL_CAN_LIST | MODEL_STORED,
	.help = "A secret or certificate that other resources name.",
	.check = credential_check,
};

static const struct model_field management_fields[] = {
	{.name = "managementAddresses",
		.kind = MODEL_TEXT,
		.flags = MODEL_LIST,
		.fallback = "[]",
		AT(model_management, management_addresses),
		.help = "Names or addresses the machine is reached at."},
	{.name = "credential",
		.kind = MODEL_REF,
		.flags = MODEL_TRACKED,
		.target = "credentials",
		AT(model_management, credential),
		.help = "What to log in with."},
	{.name = "credentialType",
		.kind = MODEL_ENUM,
		.names = credential_names,
		AT(model_management, credential_type),
		.help = "Kind of that credential."},
	{.name = "port",
		.kind = MODEL_INT,
		.min = 0,
		.max = 65535,
		AT(model_management, port),
		.help = "TCP port of management."},
};

const struct model_table model_management_table = TABLE(management_fields, model_management);

static const struct model_field machine_top_fields[] = {
	{.name = "tags", .kind = MODEL_JSON, .help = "Words of the client's own, kept as given."},
	{.name = "resourceMetadata", .kind = MODEL_JSON, .help = "Who made it."},
	{.name = "markServerReadOnly",
		.kind = MODEL_BOOL,
		.fallback = "true",
		.help = "Whether management of the machine is left to others."},
};

static const struct model_table machine_top_table = {
	.fields = machine_top_fields, .len = LEN(machine_top_fields)};

static const struct model_field virtual_server_fields[] = {
	{.name = "connections",
		.kind = MODEL_OBJECT,
		.flags = MODEL_LIST,
		.table = &model_management_table,
		.fallback = "[]",
		AT(model_virtual_server, connections),
		.help = "How the machine is managed."},
	{.name = "vmGuid",
		.kind = MODEL_TEXT,
		.max = 64,
		AT(model_virtual_server, vm_guid),
		.column = "GUID",
		.help = "The virtual machine's id."},
	{.name = "certificate",
		.kind = MODEL_TEXT,
		.max = 65536,
		AT(model_virtual_server, certificate),
		.help = "The machine's certificate, base64."},
	{.name = "gateway", .kind = MODEL_STATE, .help = "The gateway that runs on it."},
	{.name = "loadBalancerMuxes", .kind = MODEL_STATE, .help = "The muxes that run on it."},
	{.name = "server", .kind = MODEL_STATE, .help = "The host it runs on."},
	{.name = "configurationState", .kind = MODEL_STATE, .help = "Whether it is in order."},
};

static const struct model_table virtual_server_table =
	TABLE(virtual_server_fields, model_virtual_server);

const struct model_type model_type_virtual_server = {
	.collection = "virtualServers",
	.ref_name = "virtualServers",
	.noun = "virtualServer",
	.short_name = "vs",
	.in_use_code = "InUseVirtualServerCannotBeDeleted",
	.properties = &virtual_server_table,
	.top = &machine_top_table,
	.flags = MODEL_CAN_PUT | MODEL_CAN_DELETE | MODEL_CAN_LIST | MODEL_STORED,
	.help = "A machine that runs a gateway or a mux.",
};

static const struct model_field server_isthmus_fields[] = {
	{.name = "providerAddresses",
		.kind = MODEL_IP,
		.flags = MODEL_LIST | MODEL_KEEP,
		.max = 8,
		AT(model_server_isthmus, provider_addresses),
		.column = "PROVIDER ADDRESSES",
		.help = "The host's addresses (PA) that its virtual machines are reached at."},
};

static const struct model_table server_isthmus_table =
	TABLE(server_isthmus_fields, model_server_isthmus);

static const struct model_field server_fields[] = {
	{.name = "connections",
		.kind = MODEL_OBJECT,
		.flags = MODEL_LIST,
		.table = &model_management_table,
		.fallback = "[]",
		AT(model_server, connections),
		.help = "How the machine is managed."},
	{.name = "certificate",
		.kind = MODEL_TEXT,
		.max = 65536,
		AT(model_server, certificate),
		.help = "The machine's certificate, base64."},
	{.name = "rackSlot",
		.kind = MODEL_TEXT,
		AT(model_server, rack_slot),
		.help = "Where it stands."},
	{.name = "networkInterfaces",
		.kind = MODEL_CHILDREN,
		.child = &model_type_server_nic,
		.help = "Its physical interfaces."},
	{.name = "virtualServers", .kind = MODEL_STATE, .help = "Gateways and muxes on it."},
	{.name = "configurationState", .kind = MODEL_STATE, .help = "Whether it is in order."},
	{.name = "isthmus",
		.kind = MODEL_OBJECT,
		.flags = MODEL_KEEP,
		.table = &server_isthmus_table,
		AT(model_server, isthmus),
		.help = "Extensions."},
};

static const struct model_table server_table = TABLE(server_fields, model_server);

const struct model_type model_type_server = {
	.collection = "servers",
	.ref_name = "servers",
	.noun = "server",
	.short_name = "srv",
	.in_use_code = "InUseServerCannotBeDeleted",
	.properties = &server_table,
	.top = &machine_top_table,
	.flags = MODEL_CAN_PUT | MODEL_CAN_DELETE | MODEL_CAN_LIST | MODEL_STORED,
	.help = "A host of virtual machines.",
};

static const struct model_field server_nic_fields[] = {
	{.name = "isBMC",
		.kind = MODEL_BOOL,
		.fallback = "false",
		AT(model_server_nic, is_bmc),
		.help = "Whether it belongs to the board's management controller."},
	{.name = "logicalNetworkSubnets",
		.kind = MODEL_REF,
		.flags = MODEL_LIST | MODEL_TRACKED,
		.target = "logicalNetworks/subnets",
		.fallback = "[]",
		AT(model_server_nic, logical_network_subnets),
		.help = "The provider networks it is on."},
};

static const struct model_table server_nic_table = TABLE(server_nic_fields, model_server_nic);

const struct model_type model_type_server_nic = {
	.collection = "networkInterfaces",
	.ref_name = "networkInterfaces",
	.noun = "serverInterface",
	.short_name = "snic",
	.parent = &model_type_server,
	.properties = &server_nic_table,
	.flags = MODEL_CAN_PUT | MODEL_CAN_DELETE | MODEL_CAN_LIST | MODEL_STORED,
	.help = "A physical interface of a host.",
};
