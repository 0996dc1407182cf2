#!/usr/bin/env bash
# Makes what the services of compose.yaml need: a certificate for each, passwords, settings. What is there stays,
# so a second run changes nothing. To renew a certificate, delete tls.crt in its volume and run this again.
#
#   prepare.sh FOLDER    where the volumes are, each in a folder of its service's name
set -euo pipefail
umask 077
cd "$1"
PROGRAM=10001 POSTGRES=999 NGINX=101
DAYS=${DAYS:-365}

belongs_to() { [ "$(id -u)" -ne 0 ] || [ "${OWNERS:-}" = keep ] || chown -R "$2:$2" "$1"; }

secret() { [ -s "$1" ] || openssl rand -hex 24 >"$1"; cat "$1"; }

# Two authorities: `fleet` is what nodes and replicas believe each other by, and nobody else has a certificate of it.
# `servers` is what clients believe nginx, PostgreSQL and the admin API by.
authority() { # NAME
    mkdir -p authority
    [ -s "authority/$1.crt" ] || openssl req -x509 -newkey ec -pkeyopt ec_paramgen_curve:prime256v1 -nodes -days 3650 \
        -subj "/CN=whatsapp-mcp $1" -addext "keyUsage=critical,keyCertSign,cRLSign" \
        -keyout "authority/$1.key" -out "authority/$1.crt" 2>/dev/null
}

# A key and a certificate for a name, in FILE.key and FILE.crt, for one use: serverAuth or clientAuth.
certificate() { # FOLDER FILE AUTHORITY NAME USE
    [ ! -s "$1/$2.crt" ] || return 0
    openssl req -newkey ec -pkeyopt ec_paramgen_curve:prime256v1 -nodes -subj "/CN=$4" \
        -keyout "$1/$2.key" -out authority/request 2>/dev/null
    printf 'subjectAltName=DNS:%s\nextendedKeyUsage=%s\nbasicConstraints=CA:FALSE\n' "$4" "$5" >authority/extensions
    openssl x509 -req -in authority/request -CA "authority/$3.crt" -CAkey "authority/$3.key" -CAcreateserial \
        -days "$DAYS" -extfile authority/extensions -out "$1/$2.crt" 2>/dev/null
    rm authority/request authority/extensions
}

trusts() { # FOLDER AUTHORITY…
    mkdir -p "$1"
    for each in "${@:2}"; do cp "authority/$each.crt" "$1/$each.crt"; done
}

database() { # ROLE PASSWORD
    echo "postgres://$1:$2@postgres-1:5432,postgres-2:5432/whatsapp?target_session_attrs=read-write&sslmode=verify-full&sslrootcert=/data/servers.crt"
}

peers() { # NAME
    cat <<END
[node]
name = "$1"
certificate = "/data/tls.crt"
key = "/data/tls.key"
authority = "/data/fleet.crt"
END
}

node() { # NAME
    trusts "$1" fleet servers
    [ -s "$1/config.toml" ] || cat >"$1/config.toml" <<END
log_format = "json"
database = "$(database fleet "$fleet")"

$(peers "$1")
listen = "0.0.0.0:7443"
address = "$1:7443"
replicas = ["replica-1", "replica-2"]
status = "0.0.0.0:8809"
accounts = 50
files = "file:///objects"
END
    certificate "$1" tls fleet "$1" serverAuth
    belongs_to "$1" $PROGRAM
}

replica() { # NAME
    trusts "$1" fleet servers
    [ -s "$1/config.toml" ] || cat >"$1/config.toml" <<END
log_format = "json"
database = "$(database replica "$replica")"

[server]
host = "0.0.0.0"
port = 8808
public_url = "https://localhost:8443"
# The address of nginx, which compose.yaml gives it.
trusted_proxies = ["172.30.88.8"]

$(peers "$1")
END
    certificate "$1" tls fleet "$1" clientAuth
    belongs_to "$1" $PROGRAM
}

# What shows a certificate and asks for none.
server() { # FOLDER NAME OWNER
    trusts "$1" servers
    certificate "$1" tls servers "$2" serverAuth
    belongs_to "$1" "$3"
}

authority fleet
authority servers
fleet=$(secret authority/fleet) replica=$(secret authority/replica)
superuser=$(secret authority/superuser) replication=$(secret authority/replication)
for name in node-1 node-2; do node "$name"; done
for name in replica-1 replica-2; do replica "$name"; done
for name in postgres-1 postgres-2; do
    mkdir -p "$name"
    printf %s "$fleet" >"$name/fleet"
    printf %s "$replica" >"$name/replica"
    printf %s "$superuser" >"$name/superuser"
    printf %s "$replication" >"$name/replication"
    server "$name" "$name" $POSTGRES
done
server nginx localhost $NGINX
# The object store of the nodes.
mkdir -p objects
belongs_to objects $PROGRAM
