#!/bin/bash
# Makes a database on the first start and runs its server, told by the environment variables of the official images
# `postgres` and `mariadb`: user, database, and the file that holds the password.
set -eu

# initdb wants a name for whoever runs it; an arbitrary uid has none in /etc/passwd.
if ! getent passwd "$(id -u)" >/dev/null; then
    NSS_WRAPPER_PASSWD=$(mktemp) NSS_WRAPPER_GROUP=$(mktemp)
    echo "server:x:$(id -u):$(id -g)::/tmp:/bin/false" >"$NSS_WRAPPER_PASSWD"
    echo "server:x:$(id -g):" >"$NSS_WRAPPER_GROUP"
    export NSS_WRAPPER_PASSWD NSS_WRAPPER_GROUP
    export LD_PRELOAD=libnss_wrapper.so
fi

postgres_server() {
    PATH=$(echo /usr/lib/postgresql/*/bin):$PATH
    if [ ! -s "$PGDATA/PG_VERSION" ]; then
        initdb -D "$PGDATA" -U "$POSTGRES_USER" --pwfile="$POSTGRES_PASSWORD_FILE" --auth=scram-sha-256 -E UTF8 \
            --locale=C.UTF-8 >/dev/null
        echo "host all all all scram-sha-256" >>"$PGDATA/pg_hba.conf"
        PGPASSWORD=$(cat "$POSTGRES_PASSWORD_FILE")
        export PGPASSWORD
        pg_ctl -D "$PGDATA" -w -o "-c listen_addresses='' -c unix_socket_directories=/tmp" start
        psql -h /tmp -U "$POSTGRES_USER" -d postgres -v name="$POSTGRES_DB" <<<'CREATE DATABASE :"name";'
        pg_ctl -D "$PGDATA" -w stop
        unset PGPASSWORD
    fi
    exec postgres -D "$PGDATA" -c "listen_addresses=*" -c unix_socket_directories=/tmp
}

mariadb_server() {
    local data=/var/lib/mysql socket=/tmp/first.sock
    local options=(--no-defaults --datadir="$data" --pid-file=/tmp/mariadbd.pid)
    if [ ! -d "$data/mysql" ]; then
        mariadb-install-db --no-defaults --datadir="$data" --skip-test-db --auth-root-authentication-method=normal \
            >/dev/null
        mariadbd "${options[@]}" --socket="$socket" --skip-networking &
        until mariadb-admin --no-defaults -u root --socket="$socket" ping --silent 2>/dev/null; do sleep 0.1; done
        mariadb --no-defaults -u root --socket="$socket" <<SQL
CREATE DATABASE $MARIADB_DATABASE;
CREATE USER '$MARIADB_USER'@'%' IDENTIFIED BY '$(cat "$MARIADB_PASSWORD_FILE")';
GRANT ALL ON $MARIADB_DATABASE.* TO '$MARIADB_USER'@'%';
DELETE FROM mysql.global_priv WHERE User = '';
FLUSH PRIVILEGES;
SQL
        mariadb-admin --no-defaults -u root --socket="$socket" shutdown
        wait
    fi
    exec mariadbd "${options[@]}" --socket=/tmp/mariadbd.sock --bind-address=0.0.0.0 --skip-name-resolve
}

if [ -n "${POSTGRES_USER:-}" ]; then postgres_server; else mariadb_server; fi
