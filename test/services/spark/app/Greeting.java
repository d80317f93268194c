package com.example.dependency;

/** The class of the second jar: an application that prints what it says has had that jar on its class path. */
public final class Greeting {
  private Greeting() {}

  public static String to(String name) {
    return "greetings to " + name;
  }
}
