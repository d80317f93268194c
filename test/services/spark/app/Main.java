package com.example.app;

import com.example.dependency.Greeting;
import java.io.IOException;
import java.io.UncheckedIOException;
import java.nio.file.Files;
import java.nio.file.Path;
import java.util.Arrays;
import java.util.List;
import java.util.stream.Collectors;
import org.apache.spark.SparkFiles;
import org.apache.spark.api.java.JavaSparkContext;
import org.apache.spark.sql.SparkSession;

/**
 * Uses a class of another jar and a file, in the driver and in the executors, and prints one line that holds all of it:
 * {@code RESULT driver=[…] executors=[…] sum=…}. Arguments: the name of the file, then a number that is added up to.
 */
public final class Main {
  private Main() {}

  public static void main(String[] args) throws IOException {
    String file = args[0];
    int last = Integer.parseInt(args[1]);
    try (SparkSession session = SparkSession.builder().appName("cargo").getOrCreate()) {
      JavaSparkContext context = JavaSparkContext.fromSparkContext(session.sparkContext());
      List<Integer> numbers = Arrays.asList(1, 2, 3, 4);
      String executors =
          context.parallelize(numbers, 4).map(number -> Greeting.to(read(file))).distinct().collect().stream()
              .collect(Collectors.joining(";"));
      long sum = session.range(1, last + 1L).javaRDD().map(row -> row).reduce(Long::sum);
      System.out.println("RESULT driver=[" + Greeting.to(read(file)) + "] executors=[" + executors + "] sum=" + sum);
    }
  }

  /** Where Spark put it, else in the working directory, where a cluster puts it too. */
  static String read(String file) {
    try {
      Path staged = Path.of(SparkFiles.get(file));
      return Files.readString(Files.exists(staged) ? staged : Path.of(file)).trim();
    } catch (IOException cause) {
      throw new UncheckedIOException(cause);
    }
  }
}
