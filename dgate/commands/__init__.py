"""Commands to a running server, over the C-ECHO channel (conquest-server.md 11.2), and the client that sends them."""
