# Makes the database before the server starts; run each time, so that what is missing or has changed is made good.
#
# The image's own entrypoint does this once, when the folder is empty: killed in the middle it leaves a database that
# never gets its role, or that doesn't start at all. Here the folder gets its name when it is whole.
set -euo pipefail

if [ ! -s "$PGDATA/PG_VERSION" ]; then
  rm -rf "$PGDATA" "$PGDATA.new"
  initdb --pgdata "$PGDATA.new" --username postgres --encoding UTF8 --auth-local trust --auth-host scram-sha-256 \
    --pwfile <(printf '%s\n' "$POSTGRES_PASSWORD") > /dev/null
  echo "host all all all scram-sha-256" >> "$PGDATA.new/pg_hba.conf"
  sync
  mv "$PGDATA.new" "$PGDATA"
fi

# Reachable by the socket alone until it is ready. After a crash it replays its log first.
pg_ctl --pgdata "$PGDATA" --options "-c listen_addresses=''" --timeout 240 --log /tmp/prepare.log --wait start > /dev/null \
  || { cat /tmp/prepare.log >&2; exit 1; }
trap 'pg_ctl --pgdata "$PGDATA" --mode fast --timeout 60 --wait stop > /dev/null' EXIT

# The passwords come by the environment: an argument could be read in the list of processes.
psql --no-psqlrc --quiet --username postgres --dbname postgres --set ON_ERROR_STOP=1 << 'SQL'
\getenv superuser POSTGRES_PASSWORD
\getenv password MLFLOW_PASSWORD
\o /dev/null
SELECT 'CREATE ROLE mlflow' WHERE NOT EXISTS (SELECT FROM pg_roles WHERE rolname = 'mlflow') \gexec
ALTER ROLE mlflow WITH LOGIN NOSUPERUSER NOCREATEDB NOCREATEROLE PASSWORD :'password';
ALTER ROLE postgres WITH PASSWORD :'superuser';
SELECT 'CREATE DATABASE mlflow OWNER mlflow' WHERE NOT EXISTS (SELECT FROM pg_database WHERE datname = 'mlflow') \gexec
REVOKE ALL ON DATABASE mlflow FROM PUBLIC;
SQL
