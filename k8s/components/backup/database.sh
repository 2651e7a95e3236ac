# Writes MLflow's database to a file, or replaces it by one: `dump FILE` or `restore FILE`.
set -euo pipefail

# The password is escaped as in an address. By the environment: an argument could be read in the list of processes.
printf -v PGPASSWORD '%b' "${DATABASE_PASSWORD//%/\\x}"
export PGPASSWORD
# A server that holds a table for long ends the call instead of being waited for.
export PGOPTIONS="-c lock_timeout=60s" PGCONNECT_TIMEOUT=10
address="postgresql://$DATABASE_USER@$DATABASE_ADDRESS"

case $1 in
  dump)
    pg_dump --format=custom --no-owner --no-privileges --file="$2" "$address"
    echo "dumped $(stat --format=%s "$2") bytes"
    ;;
  restore)
    # Whole before it is used; then in one transaction, until whose end the server sees what was there before.
    pg_restore --no-owner --no-privileges --file="$2.sql" "$2"
    run() { psql --no-psqlrc --quiet --tuples-only --no-align --set=ON_ERROR_STOP=1 --dbname="$address" "$@"; }
    run --single-transaction --command='SET client_min_messages = warning; DROP OWNED BY CURRENT_USER' --file="$2.sql" > /dev/null
    runs=$(run --command='SELECT count(*) FROM runs')
    echo "restored $runs runs"
    ;;
esac
