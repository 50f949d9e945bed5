"""The fleet commands measured: beside docker-compose, beside bare SDK calls, and against what was promised."""
