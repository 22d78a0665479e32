"""The services of `docker-compose.yml` without Docker: the same commands, environments and health checks.

From Python: `Stack` in `scripts.stack.stack`. From a shell: `python -m scripts.stack --help`.
"""
