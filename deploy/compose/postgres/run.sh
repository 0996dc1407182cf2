#!/usr/bin/env bash
# Starts one server of the pair. Its data folder is empty the first time: then PRIMARY makes a cluster, and the
# other one copies it. After a failover, set PRIMARY to the server that was promoted.
#
#   NAME     this server, as its certificate and its standby's connection name it
#   PEER     the other one
#   PRIMARY  the one that is copied from
set -euo pipefail
: "${NAME:?}" "${PEER:?}" "${PRIMARY:?}" "${PGDATA:=/var/lib/postgresql/data}" "${IDENTITY:=/identity}"
PORT=${PORT:-5432} PEER_PORT=${PEER_PORT:-5432}
export PGDATA IDENTITY PORT PEER_PORT PGCONNECT_TIMEOUT=5 PGSSLMODE=verify-full PGSSLROOTCERT=$IDENTITY/servers.crt

peer() { # DATABASE-USER PROGRAM ARGUMENTS…
    PGPASSWORD=$(cat "$IDENTITY/$1") "$2" -h "$PEER" -p "$PEER_PORT" -U "$1" "${@:3}"
}

# Two primaries would each confirm rows and keys that the other lacks.
if [ ! -e "$PGDATA/standby.signal" ] && [ "$(peer fleet psql -d whatsapp -XAtc 'SELECT pg_is_in_recovery()' 2>/dev/null)" = f ]; then
    if [ -s "$PGDATA/PG_VERSION" ]; then
        echo "$PEER is primary already. Empty the data of $NAME, set PRIMARY=$PEER, and start it again." >&2
        exit 1
    fi
    [ "$PRIMARY" = "$PEER" ] || { echo "$PEER is primary already: set PRIMARY=$PEER." >&2; exit 1; }
fi

mkdir -p "$PGDATA"
chmod 700 "$PGDATA"

if [ ! -s "$PGDATA/PG_VERSION" ]; then
    if [ "$PRIMARY" = "$NAME" ]; then
        initdb -D "$PGDATA" -U postgres -E UTF8 --locale=C -A scram-sha-256 --pwfile="$IDENTITY/superuser"
        # Before anybody connects: roles and the database, by a server that only its own socket reaches.
        sed -e "s/FLEET_PASSWORD/$(cat "$IDENTITY/fleet")/" -e "s/REPLICA_PASSWORD/$(cat "$IDENTITY/replica")/" \
            -e "s/REPLICATION_PASSWORD/$(cat "$IDENTITY/replication")/" \
            "$(dirname "$0")/roles.sql" | postgres --single -j -D "$PGDATA" postgres >/dev/null
    else
        until peer replication pg_basebackup -D "$PGDATA" -R -X stream -c fast -d "application_name=$NAME"; do
            # What a copy that was interrupted has left.
            find "$PGDATA" -mindepth 1 -delete
            sleep 2
        done
    fi
fi

exec postgres -D "$PGDATA" -p "$PORT" -c listen_addresses='*' -c config_file="$PGDATA/postgresql.conf" \
    -c hba_file="$(dirname "$0")/pg_hba.conf" -c cluster_name="$NAME" \
    -c ssl=on -c ssl_cert_file="$IDENTITY/tls.crt" -c ssl_key_file="$IDENTITY/tls.key" \
    -c synchronous_standby_names="ANY 1 (\"postgres-1\", \"postgres-2\")" -c synchronous_commit=on \
    -c max_connections=1000 -c password_encryption=scram-sha-256 -c wal_keep_size=1GB -c wal_log_hints=on \
    -c tcp_keepalives_idle=5 -c tcp_keepalives_interval=2 -c tcp_keepalives_count=3 \
    ${POSTGRES_OPTIONS:-}
