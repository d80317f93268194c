"""The module of --py-files: an application that prints what it says has had that module on its path."""


def to(name):
    return "greetings to " + name
