#!/usr/bin/env bash
# Lets the role of replicas use the tables that it needs, as soon as a node has made them.
set -euo pipefail
: "${IDENTITY:=/identity}" "${PGHOST:=postgres-1,postgres-2}"
export PGHOST PGUSER=fleet PGDATABASE=whatsapp PGTARGETSESSIONATTRS=read-write PGCONNECT_TIMEOUT=5
export PGSSLMODE=verify-full PGSSLROOTCERT=$IDENTITY/servers.crt
PGPASSWORD=$(cat "$IDENTITY/fleet")
export PGPASSWORD

until psql -X -q -1 -v ON_ERROR_STOP=1 -f "$(dirname "$0")/grants.sql"; do sleep 2; done
