"""Serve one session from inside its sandbox: commands, shells and files, over stdin and stdout.

This package is all of ours that runs inside.  It uses the standard library only,
runs on Python 3.9 and later, and is started without site packages, so that the
machine inside needs nothing but an interpreter.  Its modules name each other
relatively: inside, the package stands alone.

A frame is two big-endian 32-bit lengths, a JSON header and a raw payload:
binary content crosses untouched.  Requests carry an id and run concurrently;
every answer, error and piece of live output names the id of its request.

One thread, one selector.  As PID 1 the daemon reaps every orphan; elsewhere it makes
itself their reaper, so that nothing it started outlives it.  It makes itself
undumpable: commands run under the same uid and must not reach its descriptors.
"""
