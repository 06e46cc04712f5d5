"""The process on this host that a machine elsewhere ends with: it joins its standard streams to a daemon far away.

A machine behind somebody's API has no process here whose pipes one could speak through, so we start one:
the relay makes the machine, passes bytes both ways, and removes the machine when either side is gone.  The host
starts it as it starts every daemon, and need not know the difference.  A machine's errors are the relay's
last words on standard error.

What a relay works with may be secret, so it comes in an anonymous file, never in arguments or the environment.
"""
