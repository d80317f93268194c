"""Uses another module and a file, in the driver and in the executors, and prints one line that holds all of it."""

import os
import sys

import greeting
from pyspark import SparkFiles
from pyspark.sql import SparkSession


def read(file):
    """Where Spark put it, else in the working directory, where a cluster puts it too."""
    staged = SparkFiles.get(file)
    with open(staged if os.path.exists(staged) else file) as opened:
        return opened.read().strip()


def main(file, last):
    session = SparkSession.builder.appName("cargo").getOrCreate()
    context = session.sparkContext
    executors = context.parallelize(range(4), 4).map(lambda _: greeting.to(read(file))).distinct().collect()
    total = context.parallelize(range(1, last + 1)).sum()
    print(f"RESULT driver=[{greeting.to(read(file))}] executors=[{';'.join(executors)}] sum={total}")
    session.stop()


if __name__ == "__main__":
    main(sys.argv[1], int(sys.argv[2]))
    # How it ends, when somebody wants to know whether that is told.
    sys.exit(int(sys.argv[3]) if len(sys.argv) > 3 else 0)
