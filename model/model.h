// SPDX-License-Identifier: Apache-2.0
#pragma once

// The product's nouns, as tables.
//
// Each resource type has one C struct and one field table. From the table derive: reading what a
// client sent, checking it, defaults, what is shown back, differences and their blast radius, the
// CLI's columns and docs/api-reference.md.
//
// A resource has two forms. The *document* is JSON with canonical member names and values, secrets
// included, children not: what the store keeps. model_normalise() makes one from whatever a client
// sent. The *struct* (nouns.h) is what those who compute read; model_load() makes one from a
// document and cannot fail on one that model_normalise() made.

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include <jansson.h>

#define MODEL_DEPTH     4   // /virtualGateways/V/bgpRouters/R/bgpPeers/P has 3
#define MODEL_ID_SIZE   128 // longest resourceId with its NUL
#define MODEL_PATH_SIZE 640
#define MODEL_ERRORS    32
#define MODEL_LIST_MAX  65536 // elements of a list, unless its field says less

#define MODEL_ABSENT INT64_MIN // an integer that was not given and has no default

// What a struct holds for each kind. A member with MODEL_LIST is a struct model_list of these.
enum model_kind {
	MODEL_TEXT,     // char *, or NULL
	MODEL_BOOL,     // bool; absent is false
	MODEL_INT,      // int64_t, or MODEL_ABSENT
	MODEL_ENUM,     // uint8_t: 0 absent, else 1 + index into `names`
	MODEL_IP,       // struct ip_addr, or IP_NONE
	MODEL_PREFIX,   // struct ip_prefix, or IP_NONE
	MODEL_MAC,      // struct mac_addr, or all zero
	MODEL_ASN,      // uint32_t, 0 absent; "0.64512" (asdot, RFC 5396) or a number
	MODEL_REF,      // char *: canonical resourceRef, or NULL; {"resourceRef": "..."}
	MODEL_OBJECT,   // struct *, or NULL
	MODEL_JSON,     // any JSON object, kept as it is; not in the struct
	MODEL_CHILDREN, // resources of `child`, given inline; not in the struct
	MODEL_STATE,    // derived by the controller when asked; not in the document nor the struct
};

enum {
	MODEL_LIST = 1 << 0,
	MODEL_REQUIRED = 1 << 1,
	MODEL_SECRET = 1 << 2,    // write-only: never shown, absent keeps, null clears
	MODEL_KEEP = 1 << 3,      // extension: absent keeps, null clears; holds for members within
	MODEL_IMMUTABLE = 1 << 4, // cannot differ from what is stored
	MODEL_AS_TEXT = 1 << 5,   // an integer shown as a JSON string
	MODEL_DASHED = 1 << 6,    // a MAC shown as 00-1D-A8-B7-1C-00
	MODEL_SUBNET = 1 << 7,    // a prefix whose host bits must be zero; else they are cleared
	MODEL_TRACKED = 1 << 8,   // counts as a use: what is referred to cannot be deleted
};

// The most that changing a field may disturb.
enum model_blast {
	MODEL_BLAST_NOTHING, // no packet is lost
	MODEL_BLAST_REKEY,   // security associations are renewed, make before break
	MODEL_BLAST_TUNNEL,  // this connection (or session) comes down and up; no other
};

struct model_list {
	void *items; // see enum model_kind; pointers for texts, references and objects
	size_t len;
};

struct model_table;
struct model_type;

struct model_field {
	const char *name;  // canonical: lower camel case
	const char *alias; // also understood, or NULL
	uint8_t kind;      // enum model_kind
	uint8_t blast;     // enum model_blast
	uint16_t flags;
	uint16_t offset;      // in the struct
	const char *fallback; // default in text form, or NULL
	int64_t min, max;     // MODEL_INT: bounds, both 0 for none. Others: max length, 0 for none
	const char *const *names;        // MODEL_ENUM: NULL-terminated, canonical spelling
	const char *const *synonyms;     // MODEL_ENUM: pairs (also understood, canonical), or NULL
	const struct model_table *table; // MODEL_OBJECT
	const struct model_type *child;  // MODEL_CHILDREN
	const char *target; // MODEL_REF: collections it may name, "logicalNetworks/subnets|.."
			    // Other kinds: what errors call it; NULL: the member's way
	// A secret only in some cases (an X.509 thumbprint is not); holder has the canonical
	// members.
	bool (*is_secret)(const json_t *holder);
	// A list element that the controller made and a client merely sends back: left out.
	bool (*is_reflected)(const json_t *item);
	const char *code;   // error code for a bad value, NULL: InvalidParameterValue
	const char *column; // CLI heading; NULL: not a column
	const char *help;   // one sentence for the reference page
};

struct model_table {
	const struct model_field *fields;
	size_t len;
	size_t size; // of the struct
};

struct model_error {
	const char *code; // as in [MS-NCNBI] 3.1.5.35; static
	char target[96];  // member, with its way: "properties.routes[1].destinationPrefix"
	char message[256];
};

struct model_errors {
	size_t len; // errors beyond MODEL_ERRORS are counted here and not kept
	struct model_error errors[MODEL_ERRORS];
};

enum {
	MODEL_CAN_PUT = 1 << 0,
	MODEL_CAN_DELETE = 1 << 1,
	MODEL_CAN_LIST = 1 << 2,
	MODEL_STORED = 1 << 3, // lives in the store; otherwise answered by code
	MODEL_TENANT = 1 << 4, // belongs to a tenant: visible to that tenant's users
};

struct model_type {
	const char *collection;  // in URLs: "networkConnections"
	const char *ref_name;    // in a resourceRef: "NetworkConnections"
	const char *noun;        // in text and as the CLI's word: "networkConnection"
	const char *short_name;  // the CLI's abbreviation: "nc"
	const char *singleton;   // its only resourceId, or NULL
	const char *in_use_code; // for a DELETE of what is referred to; NULL: ResourceInUse
	const struct model_type *parent;
	const struct model_table *properties;
	const struct model_table *top; // members beside properties; NULL: tags and metadata
	uint16_t flags;
	const char *help; // for the reference page
	// Checks of one resource against itself. May be NULL. `properties` is the loaded struct.
	void (*check)(const void *properties, struct model_errors *errors);
};

// Every type, parents before children; NULL-terminated.
extern const struct model_type *const model_types[];

// tags and resourceMetadata.
extern const struct model_table model_top_table;

// By the CLI's word, short name or collection (with '/' between levels), any case. NULL if unknown.
const struct model_type *model_type_find(const char *word);
// The child type of parent (NULL: top level) whose collection is name, any case.
const struct model_type *model_type_child(const struct model_type *parent, const char *name);

// -- paths: "/VirtualGateways/T/NetworkConnections/C"

struct model_path {
	const struct model_type *type;
	size_t depth; // ids present; a collection's path has one id less than its type's depth
	bool is_collection;
	char id[MODEL_DEPTH][MODEL_ID_SIZE];
};

// Understands any case, a trailing '/', percent-encoding, and a leading
// "https://host", "/networking" and "/v1". -EINVAL for malformed or an unknown collection.
int model_path_parse(const char *text, struct model_path *ret_path);
// Canonical resourceRef; returns buf of MODEL_PATH_SIZE.
const char *model_path_format(const struct model_path *path, char *buf);
// The same in lower case: what the store and comparisons use.
const char *model_path_key(const struct model_path *path, char *buf);
// The key of a resourceRef text; NULL if it cannot be one.
const char *model_ref_key(const char *ref, char *buf);
// The path of the parent; path->type->parent must not be NULL.
struct model_path model_path_parent(const struct model_path *path);
struct model_path model_path_child(
	const struct model_path *path, const struct model_type *type, const char *id);

// -- documents

// Reads a client's resource. body: the whole resource ({"resourceId", "properties", ...}), not
// changed. old: the stored document, or NULL. *ret_doc is {"resourceId", "tags"?,
// "resourceMetadata"?, "properties"}: the caller adds resourceRef and instanceId. 0, or -EINVAL
// with errors filled.
int model_normalise(const struct model_type *type, json_t *body, const json_t *old,
	json_t **ret_doc, struct model_errors *errors);

// The inline children in body for a MODEL_CHILDREN field: an array (borrowed), or NULL when the
// member is absent or null (then children stay as they are).
json_t *model_children(const struct model_field *field, json_t *body);

// What a client may see of a document: a new object without secrets.
json_t *model_show(const struct model_type *type, const json_t *doc);

// Properties as a struct; all memory hangs on the returned pointer. Documents may come from an
// older or newer release: what is missing gets its default, what is unknown is ignored.
void *model_load(const struct model_type *type, const json_t *doc);
void model_free(void *properties);

// Calls each(...) for every field that differs, innermost, and returns the largest blast radius.
// old or fresh may be NULL (all fields of the other). each may be NULL.
enum model_blast model_diff(const struct model_type *type, const json_t *old, const json_t *fresh,
	void (*each)(void *arg, const struct model_field *field, const char *where), void *arg);

// Calls each(...) for every reference in the document.
void model_each_ref(const struct model_type *type, const json_t *doc,
	void (*each)(
		void *arg, const struct model_field *field, const char *where, const char *ref),
	void *arg);

// The same with the reference itself, {"resourceRef": "..."}, to be respelt.
void model_each_ref_object(const struct model_type *type, json_t *doc,
	void (*each)(void *arg, const struct model_field *field, const char *where, json_t *object),
	void *arg);

// The same for every secret text: *value is the string, to be replaced through the array or object
// that holds it (sealing for the store).
void model_each_secret(const struct model_type *type, json_t *doc,
	void (*each)(void *arg, json_t *holder, const char *member), void *arg);

// -- helpers

// Case-insensitive member; NULL if absent. Exact spelling wins.
json_t *model_member(const json_t *object, const char *name);
void model_error_add(struct model_errors *errors, const char *code, const char *target,
	const char *fmt, ...) __attribute__((format(printf, 4, 5)));
// Text of an enum value (index + 1), or "".
const char *model_enum_name(const char *const *names, uint8_t value);
