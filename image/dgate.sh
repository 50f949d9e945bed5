#!/bin/sh
# `conquestctl exec ct1 -- dgate -r` and the like, with the original server's name and options.
exec python3 -m dgate.main "$@"
