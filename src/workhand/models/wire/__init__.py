"""The pure half of every provider: a prompt to the bytes of a request, a stream of lines to an answer.

One module writes and one reads for each format; ``dialect`` says what each of
them offers to the client.  No module here opens a connection or looks at a clock.
"""
