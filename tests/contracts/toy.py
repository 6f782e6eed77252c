"""The toy machine under its former name: it is oyez/testing/toy.py."""

from oyez.testing.toy import *  # noqa: F403 - all of it
