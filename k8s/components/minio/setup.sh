# Makes buckets, users and policies what they should be, whatever is there already. Secrets come by the environment and
# go to mc by its input, never by an argument.
set -eu
cd /setup

mc ready ratchet --quiet > /dev/null

for bucket in ratchet-data ratchet-mlflow ratchet-scores ratchet-scratch; do
  mc mb --quiet --ignore-existing "ratchet/$bucket"
done
for bucket in ratchet-data ratchet-mlflow; do
  mc version enable --quiet "ratchet/$bucket"
  mc ilm rule import --quiet "ratchet/$bucket" < versioned.json
done
mc ilm rule import --quiet ratchet/ratchet-scratch < scratch.json

# user NAME ACCESS_KEY SECRET_KEY: the user with the policy of that name, and no other.
user() {
  printf '%s\n%s\n' "$2" "$3" | mc admin user add ratchet > /dev/null
  mc admin policy create --quiet ratchet "$1" "$1.json"
  case $(mc admin user info --json ratchet "$2") in
    *"\"policyName\":\"$1\""*) ;;
    *) mc admin policy attach --quiet ratchet "$1" --user "$2" ;;
  esac
}
user mlflow "$MLFLOW_AWS_ACCESS_KEY_ID" "$MLFLOW_AWS_SECRET_ACCESS_KEY"
user trainer-sklearn "$TRAINER_SKLEARN_AWS_ACCESS_KEY_ID" "$TRAINER_SKLEARN_AWS_SECRET_ACCESS_KEY"
user trainer-spark "$TRAINER_SPARK_AWS_ACCESS_KEY_ID" "$TRAINER_SPARK_AWS_SECRET_ACCESS_KEY"
user registrar "$REGISTRAR_AWS_ACCESS_KEY_ID" "$REGISTRAR_AWS_SECRET_ACCESS_KEY"
user sample-data "$SAMPLE_DATA_AWS_ACCESS_KEY_ID" "$SAMPLE_DATA_AWS_SECRET_ACCESS_KEY"
user server "$SERVER_AWS_ACCESS_KEY_ID" "$SERVER_AWS_SECRET_ACCESS_KEY"
user validator "$VALIDATOR_AWS_ACCESS_KEY_ID" "$VALIDATOR_AWS_SECRET_ACCESS_KEY"
user scorer-sklearn "$SCORER_SKLEARN_AWS_ACCESS_KEY_ID" "$SCORER_SKLEARN_AWS_SECRET_ACCESS_KEY"
user pruner "$PRUNER_AWS_ACCESS_KEY_ID" "$PRUNER_AWS_SECRET_ACCESS_KEY"
user scorer-spark "$SCORER_SPARK_AWS_ACCESS_KEY_ID" "$SCORER_SPARK_AWS_SECRET_ACCESS_KEY"
user backup "$BACKUP_AWS_ACCESS_KEY_ID" "$BACKUP_AWS_SECRET_ACCESS_KEY"
user restore "$RESTORE_AWS_ACCESS_KEY_ID" "$RESTORE_AWS_SECRET_ACCESS_KEY"
