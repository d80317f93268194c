#!/bin/bash
# What Spark expects of its image: `driver …` and `executor …`, anything else is run as it is given. Written from the documented
# behaviour of the official image: names of variables and the order of the class path decide, nothing else of it is here.
set -e

# An unknown user id has no name; Hadoop and Spark ask for one.
if ! getent passwd "$(id -u)" > /dev/null; then
  export NSS_WRAPPER_PASSWD="$(mktemp)" NSS_WRAPPER_GROUP="$(mktemp)"
  echo "${SPARK_USER_NAME:-spark}:x:$(id -u):$(id -g):anonymous:$SPARK_HOME:/bin/false" > "$NSS_WRAPPER_PASSWD"
  echo "spark:x:$(id -g):" > "$NSS_WRAPPER_GROUP"
  export LD_PRELOAD="$(ls /usr/lib/*/libnss_wrapper.so | head -n 1)"
fi

if [ -z "$JAVA_HOME" ]; then
  JAVA_HOME="$(dirname "$(dirname "$(readlink -f /usr/bin/java)")")"
  export JAVA_HOME
fi

case "$1" in
  driver)
    shift
    exec tini -s -- "$SPARK_HOME/bin/spark-submit" \
      --conf "spark.driver.bindAddress=$SPARK_DRIVER_BIND_ADDRESS" \
      --conf "spark.executorEnv.SPARK_DRIVER_POD_IP=$SPARK_DRIVER_BIND_ADDRESS" \
      --deploy-mode client "$@"
    ;;
  executor)
    options=()
    for name in $(compgen -v SPARK_JAVA_OPT_ | sort -t _ -k 4 -n); do options+=("${!name}"); done
    path="$SPARK_HOME/jars/*"
    [ -z "$SPARK_CLASSPATH" ] || path="$SPARK_CLASSPATH:$path"
    [ -z "$HADOOP_CONF_DIR" ] || path="$HADOOP_CONF_DIR:$path"
    if [ -n "$SPARK_CONF_DIR" ]; then path="$SPARK_CONF_DIR:$path"; else path="$SPARK_HOME/conf:$path"; fi
    [ -z "$SPARK_EXTRA_CLASSPATH" ] || path="$path:$SPARK_EXTRA_CLASSPATH"
    path="$path:$PWD"
    [ -z "$SPARK_DIST_CLASSPATH" ] || path="$path:$SPARK_DIST_CLASSPATH"
    exec tini -s -- "$JAVA_HOME/bin/java" "${options[@]}" \
      "-Xms$SPARK_EXECUTOR_MEMORY" "-Xmx$SPARK_EXECUTOR_MEMORY" -cp "$path" \
      org.apache.spark.scheduler.cluster.k8s.KubernetesExecutorBackend \
      --driver-url "$SPARK_DRIVER_URL" \
      --executor-id "$SPARK_EXECUTOR_ID" \
      --cores "$SPARK_EXECUTOR_CORES" \
      --app-id "$SPARK_APPLICATION_ID" \
      --hostname "$SPARK_EXECUTOR_POD_IP" \
      --resourceProfileId "$SPARK_RESOURCE_PROFILE_ID" \
      --podName "$SPARK_EXECUTOR_POD_NAME"
    ;;
  *)
    exec "$@"
    ;;
esac
