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

authority() {
    mkdir -p authority
    [ -s authority/ca.crt ] || openssl req -x509 -newkey ec -pkeyopt ec_paramgen_curve:prime256v1 -nodes -days 3650 \
        -subj "/CN=whatsapp-mcp fleet" -addext "keyUsage=critical,keyCertSign,cRLSign" \
        -keyout authority/ca.key -out authority/ca.crt 2>/dev/null
}

# A key and a certificate for a name, which both serves and connects.
certificate() { # FOLDER NAME OWNER
    mkdir -p "$1"
    cp authority/ca.crt "$1/ca.crt"
    if [ ! -s "$1/tls.crt" ]; then
        openssl req -newkey ec -pkeyopt ec_paramgen_curve:prime256v1 -nodes -subj "/CN=$2" \
            -keyout "$1/tls.key" -out authority/request 2>/dev/null
        printf 'subjectAltName=DNS:%s\nextendedKeyUsage=serverAuth,clientAuth\nbasicConstraints=CA:FALSE\n' "$2" \
            >authority/extensions
        openssl x509 -req -in authority/request -CA authority/ca.crt -CAkey authority/ca.key -CAcreateserial \
            -days "$DAYS" -extfile authority/extensions -out "$1/tls.crt" 2>/dev/null
        rm authority/request authority/extensions
    fi
    belongs_to "$1" "$3"
}

database() {
    echo "postgres://fleet:$fleet@postgres-1:5432,postgres-2:5432/whatsapp?target_session_attrs=read-write&sslmode=verify-full&sslrootcert=/data/ca.crt"
}

peers() { # NAME
    cat <<END
[node]
name = "$1"
certificate = "/data/tls.crt"
key = "/data/tls.key"
authority = "/data/ca.crt"
END
}

node() { # NAME
    mkdir -p "$1"
    [ -s "$1/config.toml" ] || cat >"$1/config.toml" <<END
log_format = "json"
database = "$(database)"

$(peers "$1")
listen = "0.0.0.0:7443"
address = "$1:7443"
status = "0.0.0.0:8809"
accounts = 50
END
    certificate "$1" "$1" $PROGRAM
}

replica() { # NAME
    mkdir -p "$1"
    [ -s "$1/config.toml" ] || cat >"$1/config.toml" <<END
log_format = "json"
database = "$(database)"

[server]
host = "0.0.0.0"
port = 8808
public_url = "https://localhost:8443"
# nginx, which has its certificate; nothing else reaches this port.
trusted_proxies = ["172.16.0.0/12", "192.168.0.0/16", "10.0.0.0/8"]

$(peers "$1")
END
    certificate "$1" "$1" $PROGRAM
}

authority
fleet=$(secret authority/fleet) superuser=$(secret authority/superuser) replication=$(secret authority/replication)
for name in node-1 node-2; do node "$name"; done
for name in replica-1 replica-2; do replica "$name"; done
for name in postgres-1 postgres-2; do
    mkdir -p "$name"
    printf %s "$fleet" >"$name/fleet"
    printf %s "$superuser" >"$name/superuser"
    printf %s "$replication" >"$name/replication"
    certificate "$name" "$name" $POSTGRES
done
certificate nginx localhost $NGINX
