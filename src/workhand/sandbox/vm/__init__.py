"""Hold a session in a virtual machine: a kernel of its own, which only an emulator stands between it and the host.

``qemu.py`` opens one; ``kernel.py`` finds what it boots; ``acceleration.py`` finds out whether this host can run it
without emulating its processor.  ``init.sh`` and ``inside/guest.py`` run in it, before the daemon.
"""
