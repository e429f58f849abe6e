// SPDX-License-Identifier: GPL-3.0-or-later
#pragma once

#include <config/backend.h>
#include <credentials/credential_set.h>

// libcharon's way to our connections (conn.h) and their credentials. Stateless singletons.
backend_t *backend_get(void);
// Keys strictly by connection: what is found depends on the IKE_SA at hand, never on identities,
// so one tenant's secret can not prove another's identity.
credential_set_t *credentials_get(void);
