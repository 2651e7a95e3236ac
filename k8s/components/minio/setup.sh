# Makes buckets, users and policies what they should be, whatever is there already. Secrets come by the environment and
# go to mc by its input, never by an argument.
set -eu
cd /setup

mc ready ratchet --quiet > /dev/null

# buckets OWNER
buckets() {
  for bucket in "$1-data" "$1-mlflow" "$1-scores" "$1-scratch"; do
    mc mb --quiet --ignore-existing "ratchet/$bucket"
  done
  for bucket in "$1-data" "$1-mlflow"; do
    mc version enable --quiet "ratchet/$bucket"
    mc ilm rule import --quiet "ratchet/$bucket" < versioned.json
  done
  mc ilm rule import --quiet "ratchet/$1-scratch" < scratch.json
}
# user NAME ACCESS_KEY SECRET_KEY [FILE]: the user with the policy of that name, and no other.
user() {
  printf '%s\n%s\n' "$2" "$3" | mc admin user add ratchet > /dev/null
  mc admin policy create --quiet ratchet "$1" "${4:-$1.json}"
  case $(mc admin user info --json ratchet "$2") in
    *"\"policyName\":\"$1\""*) ;;
    *) mc admin policy attach --quiet ratchet "$1" --user "$2" ;;
  esac
}
digest() { printf '%s' "$1" | sha256sum | cut -c1-64; }
# Those that a further model has of its own; `ratchet secrets --of` derives the same keys.
roles='trainer-sklearn trainer-spark registrar sample-data server validator scorer-sklearn scorer-spark pruner'

buckets ratchet
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

for namespace in $NAMESPACES; do
  buckets "$namespace"
  for role in $roles; do
    name=$namespace-$role
    sed "s/:::ratchet-/:::$namespace-/g" "$role.json" > /tmp/policy.json
    user "$name" "$name" "$(digest "$MODELS_KEY$(digest "$MODELS_KEY$name")" | cut -c1-40)" /tmp/policy.json
  done
done
# A model that is not listed any more loses its users; its buckets stay.
mc admin user list --json ratchet |
  sed -n 's/.*"accessKey":"\(.*\)-registrar","policyName":"\1-registrar".*/\1/p' |
  while read -r namespace; do
    case " $NAMESPACES " in *" $namespace "*) continue ;; esac
    for role in $roles; do
      mc admin user remove --quiet ratchet "$namespace-$role"
      mc admin policy remove --quiet ratchet "$namespace-$role"
    done
  done
