"""The server measured against its peers: stores, queries, retrievals, start, memory and processor time."""
