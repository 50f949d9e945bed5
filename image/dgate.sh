#!/bin/sh
# `conquestctl exec ct1 -- dgate -r` and the like, with the original server's name and options.
# Without -w it is the instance of this container, not the folder of the program, that is meant.
for word in "$@"; do
    case $word in
        -w?*) exec python3 -m dgate.main "$@" ;;
    esac
done
exec python3 -m dgate.main -w/conquest/mount/config "$@"
